import { isIP } from "node:net";
import { z } from "zod";
import { count, filePath, flag, httpsUrl, port, seconds, secretReference } from "./parts.ts";

const MIB = 1024 * 1024;

export const tls = z
  .strictObject({
    certificate: filePath().describe("PEM file with the server certificate, leaf first, then intermediates."),
    privateKey: secretReference().describe("PEM private key of that certificate."),
    minVersion: z.enum(["1.2", "1.3"]).default("1.2").describe("Oldest TLS version that is spoken."),
  })
  .describe("Certificate and key; both are read again when the files change.");

function rate(perSecond: number, burst: number, sentence: string) {
  return z
    .strictObject({
      perSecond: count(perSecond, 1, 1_000_000).describe("Requests per second in the long run."),
      burst: count(burst, 1, 10_000_000).describe("Requests at once after a quiet time."),
    })
    .prefault({})
    .describe(sentence);
}

const rateLimits = z
  .strictObject({
    ipv4PrefixLength: count(32, 8, 32).describe(
      "Clients whose IPv4 addresses share this many bits share a limit.",
    ),
    ipv6PrefixLength: count(64, 16, 128).describe(
      "Clients whose IPv6 addresses share this many bits share a limit.",
    ),
    maxPrefixes: count(100_000, 100, 10_000_000).describe(
      "Prefixes remembered at once; when the table is full, new ones are refused.",
    ),
    auth: rate(500, 20_000, "Limit of POST /kbs/v0/auth."),
    attest: rate(100, 2_000, "Limit of POST /kbs/v0/attest."),
    resource: rate(500, 10_000, "Limit of calls to plugins, GET /kbs/v0/resource among them."),
    admin: rate(100, 2_000, "Limit of administrative calls."),
  })
  .prefault({})
  .describe("How many requests one network prefix may make.");

const metrics = z
  .strictObject({
    enabled: flag(true).describe(
      "Whether there is a listener of its own for /metrics, /healthz and /readyz.",
    ),
    host: z.string().min(1).default("127.0.0.1").describe("Address that listener binds to."),
    port: port(9464).describe("Port of that listener; 0 takes a free one."),
    onMainListener: z
      .enum(["loopback", "everyone", "nobody"])
      .default("loopback")
      .describe(
        "Who is answered when asking for /metrics on the main listener; with publicUrl, loopback is nobody.",
      ),
  })
  .prefault({})
  .describe("Where Prometheus reads.");

/** An address or a network in CIDR notation. */
export function isNetwork(text: string): boolean {
  const [address = "", length, ...rest] = text.split("/");
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return false;
  return length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= (family === 4 ? 32 : 128));
}

export const serverSchema = z
  .strictObject({
    host: z
      .string()
      .min(1)
      .default("127.0.0.1")
      .describe("Address to listen on; 0.0.0.0 or :: for every interface."),
    port: port(8080).describe("Port to listen on; 0 takes a free one."),
    publicUrl: httpsUrl()
      .optional()
      .meta({ examples: ["https://kbs.example.org"] })
      .describe("Under which URL guests reach this server, if a proxy speaks TLS in front of it."),
    tls: tls.optional().meta({
      examples: [
        { certificate: "tls/server.pem", privateKey: { file: "tls/server.key" }, minVersion: "1.2" },
      ],
    }),
    dangerouslyAllowPlainHttp: flag(false).describe(
      "Listen without TLS on an address other machines can reach; without it only loopback may be plain.",
    ),
    maxBodyBytes: count(2 * MIB, 64 * 1024, 256 * MIB).describe("Longest request body."),
    maxHeaderBytes: count(MIB, 128 * 1024, 16 * MIB).describe(
      "Longest request head; attestation tokens can be large.",
    ),
    headersTimeoutSeconds: seconds(10, 1, 120).describe("Time for the head of a request to arrive."),
    requestTimeoutSeconds: seconds(60, 1, 600).describe("Time for a whole request to arrive."),
    deadlineSeconds: seconds(50, 1, 600).describe("Time for the answer; guests give up after 60 seconds."),
    keepAliveSeconds: seconds(75, 1, 600).describe("How long an idle connection is kept."),
    maxConnections: count(10_000, 10, 1_000_000).describe(
      "Connections open at once; further ones are refused.",
    ),
    maxConnectionsPerPrefix: count(2_000, 1, 1_000_000).describe(
      "Connections open at once from one network prefix.",
    ),
    drainSeconds: seconds(20, 0, 600).describe("How long requests in progress may go on after SIGTERM."),
    trustedProxies: z
      .array(z.string().refine(isNetwork, "must be an IP address or a network such as 10.0.0.0/8"))
      .max(100)
      .default([])
      .meta({ examples: [["10.0.0.0/8"]] })
      .describe("Proxies whose X-Forwarded-For is believed; from anybody else it is ignored."),
    rateLimits,
    metrics,
  })
  .prefault({})
  .describe("The listener guests and administrators talk to.");
