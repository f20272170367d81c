import { describe, expect, test } from "@jest/globals";
import { dangerousSwitches } from "../../../src/config/dangerous.ts";
import { loadConfig } from "../../../src/config/load.ts";

const faults = (yaml: string): readonly string[] =>
  loadConfig(`attestationService: ${yaml}`).faults.map(({ path }) => path);
const ISSUER = "trustedIssuer: { jwksFile: a }";

describe("combinations below attestationService", () => {
  test.each<[string, readonly string[]]>([
    ["{ driver: coco_as_grpc }", ["attestationService.remote"]],
    [`{ remote: { address: "http://as.example.org", ${ISSUER} } }`, ["attestationService.remote.address"]],
    [`{ remote: { address: "http://127.0.0.1:1", ${ISSUER} } }`, []],
    [`{ remote: { address: "http://[::1]:1", ${ISSUER} } }`, []],
    [`{ remote: { address: "http://as.example.org", dangerouslyAllowPlainHttp: true, ${ISSUER} } }`, []],
    [`{ remote: { address: "ftp://x", ${ISSUER} } }`, ["attestationService.remote.address"]],
    [`{ remote: { address: "https://u:p@x", ${ISSUER} } }`, ["attestationService.remote.address"]],
    ["{ remote: { address: https://x } }", ["attestationService.remote.trustedIssuer"]],
    [
      `{ remote: { address: https://x, clientCertificate: c, ${ISSUER} } }`,
      ["attestationService.remote.clientCertificate"],
    ],
    ["{ grpc: { listen: { host: 0.0.0.0 } } }", ["attestationService.grpc.listen.tls"]],
    ["{ rest: { listen: { host: 0.0.0.0, dangerouslyAllowPlainHttp: true } } }", []],
    ["{ rvps: { listen: {} } }", []],
    [
      "{ grpc: { listen: {} }, authentication: { clientCertificates: { authorities: a, clients: [ { name: b, may: [ evaluate ] } ] } } }",
      ["attestationService.authentication.clientCertificates"],
    ],
    [
      "{ authentication: { tokens: [ { name: a, token: literal, may: [ evaluate ] } ] } }",
      ["attestationService.authentication.tokens[0].token"],
    ],
    [
      "{ authentication: { tokens: [ { name: a, token: { file: f }, may: [ everything ] } ] } }",
      ["attestationService.authentication.tokens[0].may[0]"],
    ],
  ])("%s", (yaml, expected) => {
    expect(faults(yaml)).toEqual(expected);
  });

  test("nothing is served and nobody is asked unless the file says so", () => {
    const { config } = loadConfig("");
    expect(config?.attestationService).toMatchObject({ driver: "built-in", grpc: {}, rest: {}, rvps: {} });
    expect(config?.attestationService.grpc.listen).toBeUndefined();
  });

  test("switches that take a protection away are named at start", () => {
    const { config } = loadConfig(
      "attestationService: { authentication: { dangerouslyAllowAnonymousEvaluation: true, dangerouslyAllowAnonymousAdministration: true } }",
    );
    if (config === undefined) throw new Error("the configuration is good");
    expect(dangerousSwitches(config).map(({ path }) => path)).toEqual([
      "attestationService.authentication.dangerouslyAllowAnonymousEvaluation",
      "attestationService.authentication.dangerouslyAllowAnonymousAdministration",
    ]);
  });
});
