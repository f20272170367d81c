import { z } from "zod";
import { count, filePath, flag, port, seconds, secretReference } from "./parts.ts";
import { tls } from "./schema-server.ts";
import { trustedIssuer } from "./schema-trust.ts";

const MIB = 1024 * 1024;
const TLS_EXAMPLE = { certificate: "tls/as.pem", privateKey: { file: "tls/as.key" } };
const REMOTE_EXAMPLE = {
  certificateAuthorities: "tls/ca.pem",
  clientCertificate: "tls/client.pem",
  clientKey: { file: "tls/client.key" },
  token: { file: "keys/as.token" },
};

/** An http or https URL without user name and password, as clients of the service write its address. */
function serviceUrl(): z.ZodString {
  return z.string().refine(isServiceUrl, "must be an http:// or https:// URL without user name and password");
}

function isServiceUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, hostname, search, hash } = new URL(text);
  const plain = username === "" && password === "" && search === "" && hash === "";
  return (protocol === "https:" || protocol === "http:") && plain && hostname !== "";
}

/** How a service elsewhere is reached; `more` are options of one kind of service. */
function remote<More extends z.ZodRawShape>(more: More) {
  return z.strictObject({
    address: serviceUrl().describe(
      "Its URL; http only for loopback, unless dangerouslyAllowPlainHttp is on.",
    ),
    certificateAuthorities: filePath()
      .optional()
      .describe("PEM roots for its certificate instead of the system's."),
    clientCertificate: filePath()
      .optional()
      .describe("PEM certificate that this server shows, with clientKey."),
    clientKey: secretReference().optional().describe("PEM private key of that certificate."),
    token: secretReference().optional().describe("Sent as `Authorization: Bearer`."),
    dangerouslyAllowPlainHttp: flag(false).describe("Let evidence and credentials travel in the clear."),
    timeoutSeconds: seconds(30, 1, 300).describe("Time for one answer."),
    maxAnswerBytes: count(4 * MIB, 4096, 256 * MIB).describe("Longest answer."),
    ...more,
  });
}

/** An address to listen on, off if absent. */
function listen(defaultPort: number) {
  return z
    .strictObject({
      host: z.string().min(1).default("127.0.0.1").describe("Address to listen on."),
      port: port(defaultPort).describe("Port to listen on; 0 takes a free one."),
      tls: tls.optional(),
      dangerouslyAllowPlainHttp: flag(false).describe(
        "Listen without TLS on an address that other machines can reach.",
      ),
    })
    .optional()
    .meta({ examples: [{ host: "0.0.0.0", port: defaultPort, tls: TLS_EXAMPLE }] });
}

const permissions = z
  .array(z.enum(["evaluate", "read-reference-values", "administer"]))
  .min(1)
  .describe("What whoever shows it may do; administer includes reading.");

const name = z.string().min(1).max(100);

const authentication = z
  .strictObject({
    tokens: z
      .array(
        z.strictObject({
          name: name.describe("What the audit log calls its holder."),
          token: secretReference().describe("At least 32 characters, as `openssl rand -hex 32` makes them."),
          may: permissions,
        }),
      )
      .max(64)
      .default([])
      .meta({ examples: [[{ name: "kbs-1", token: { file: "keys/kbs-1.token" }, may: ["evaluate"] }]] })
      .describe(
        "Fixed tokens, sent as `authorization: Bearer`; administrators' tokens count without an entry.",
      ),
    clientCertificates: z
      .strictObject({
        authorities: filePath().describe("PEM roots that clients' certificates must chain to."),
        clients: z
          .array(
            z.strictObject({
              name: z
                .string()
                .min(1)
                .max(300)
                .describe("DNS name or URI in the certificate's subjectAltName, or else its common name."),
              may: permissions,
            }),
          )
          .min(1)
          .max(256)
          .describe("Whose certificates count."),
      })
      .optional()
      .meta({
        examples: [
          { authorities: "tls/clients-ca.pem", clients: [{ name: "kbs.example.org", may: ["evaluate"] }] },
        ],
      })
      .describe("Clients that show a certificate; needs tls at the listener."),
    dangerouslyAllowAnonymousEvaluation: flag(false).describe(
      "Evaluate for everybody who reaches the port: a key broker of Confidential Containers sends no credentials.",
    ),
    dangerouslyAllowAnonymousAdministration: flag(false).describe(
      "Let everybody who reaches the port replace policies and reference values.",
    ),
  })
  .prefault({})
  .describe("Who may use these interfaces; without an entry, administrators only.");

export const attestationServiceSchema = z
  .strictObject({
    driver: z
      .enum(["built-in", "coco_as_grpc", "coco_as_rest"])
      .default("built-in")
      .describe("Who judges evidence for this broker: its own verifiers, or a service at remote.address."),
    remote: remote({
      trustedIssuer: trustedIssuer.describe(
        "The keys its tokens must be signed with, as in tokens.trustedIssuers.",
      ),
    })
      .optional()
      .meta({
        examples: [
          {
            address: "https://as.example.org:50004",
            ...REMOTE_EXAMPLE,
            trustedIssuer: { issuer: "CoCo-Attestation-Service", certificates: "trust/as-ca.pem" },
          },
        ],
      })
      .describe("The attestation service elsewhere."),
    grpc: z
      .strictObject({ listen: listen(50_004).describe("Where the gRPC API is served.") })
      .prefault({})
      .describe("Serve other brokers over gRPC: package attestation, and reference values with it."),
    rest: z
      .strictObject({ listen: listen(8_081).describe("Where the REST API is served.") })
      .prefault({})
      .describe("Serve others over REST: /attestation, /challenge, /policy."),
    rvps: z
      .strictObject({
        listen: listen(50_003).describe("Where reference values are served alone, over gRPC."),
        remote: remote({})
          .optional()
          .meta({ examples: [{ address: "https://rvps.example.org:50003", ...REMOTE_EXAMPLE }] })
          .describe("Take reference values from a provider elsewhere instead of this server's store."),
      })
      .prefault({})
      .describe("The reference value provider."),
    authentication,
    maxMessageBytes: count(4 * MIB, 64 * 1024, 64 * MIB).describe("Longest request."),
    maxConcurrentCalls: count(128, 1, 10_000).describe("Calls in progress at once, over all connections."),
    maxConnections: count(256, 1, 100_000).describe("Connections open at once, to each listener."),
    deadlineSeconds: seconds(60, 1, 600).describe("Time for one answer."),
  })
  .prefault({})
  .describe("The attestation service as something that others use, or that this broker uses elsewhere.");
