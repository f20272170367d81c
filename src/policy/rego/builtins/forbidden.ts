/** A function OPA has and this engine refuses at upload, although `with` may name it as the target of a mock. */
export interface ForbiddenBuiltin {
  readonly arity: number;
  /** One sentence for the administrator. */
  readonly reason: string;
}

const NETWORK = "a release decision must not reach out to the network";
const PRIVATE_KEYS = "policies must not handle private keys";
const RUNTIME = "it would show the broker's environment and configuration to policies";
const REFLECTION = "policies cannot inspect or parse policies here";
const CERTIFICATES = "verifiers check certificates before a policy runs";
// The reader recurses as deep as its text, and V8 ends the process when a regular expression is first compiled there.
const YAML = "no reader of YAML is safe enough for evidence";
const GRAPHQL = "GraphQL is not supported";

/** Refused names. None of them is ever available, under any setting. */
export const FORBIDDEN: ReadonlyMap<string, ForbiddenBuiltin> = new Map([
  ["http.send", { arity: 1, reason: NETWORK }],
  ["net.lookup_ip_addr", { arity: 1, reason: NETWORK }],
  ["opa.runtime", { arity: 0, reason: RUNTIME }],
  ["rego.parse_module", { arity: 2, reason: REFLECTION }],
  ["rego.metadata.chain", { arity: 0, reason: REFLECTION }],
  ["rego.metadata.rule", { arity: 0, reason: REFLECTION }],
  ["uuid.rfc4122", { arity: 1, reason: "a release decision must not be random" }],
  ["io.jwt.encode_sign", { arity: 3, reason: PRIVATE_KEYS }],
  ["io.jwt.encode_sign_raw", { arity: 3, reason: PRIVATE_KEYS }],
  ["crypto.parse_private_keys", { arity: 1, reason: PRIVATE_KEYS }],
  ["crypto.x509.parse_keypair", { arity: 2, reason: PRIVATE_KEYS }],
  ["crypto.x509.parse_rsa_private_key", { arity: 1, reason: PRIVATE_KEYS }],
  ["providers.aws.sign_req", { arity: 3, reason: PRIVATE_KEYS }],
  ["strings.render_template", { arity: 2, reason: "the template language of Go is not supported" }],
  ["json.match_schema", { arity: 2, reason: "JSON schemas are not supported" }],
  ["json.verify_schema", { arity: 1, reason: "JSON schemas are not supported" }],
  ["regex.globs_match", { arity: 2, reason: "the intersection of patterns is not supported" }],
  ["crypto.x509.parse_certificates", { arity: 1, reason: CERTIFICATES }],
  ["crypto.x509.parse_certificate_request", { arity: 1, reason: CERTIFICATES }],
  ["crypto.x509.parse_and_verify_certificates", { arity: 1, reason: CERTIFICATES }],
  ["crypto.x509.parse_and_verify_certificates_with_options", { arity: 2, reason: CERTIFICATES }],
  ["yaml.is_valid", { arity: 1, reason: YAML }],
  ["yaml.marshal", { arity: 1, reason: YAML }],
  ["yaml.unmarshal", { arity: 1, reason: YAML }],
  ["graphql.is_valid", { arity: 2, reason: GRAPHQL }],
  ["graphql.parse", { arity: 2, reason: GRAPHQL }],
  ["graphql.parse_and_verify", { arity: 2, reason: GRAPHQL }],
  ["graphql.parse_query", { arity: 1, reason: GRAPHQL }],
  ["graphql.parse_schema", { arity: 1, reason: GRAPHQL }],
  ["graphql.schema_is_valid", { arity: 1, reason: GRAPHQL }],
]);
