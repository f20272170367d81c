import { parseCertificate } from "../../../crypto/certificate.ts";
import { DerError } from "../../../crypto/der.ts";
import { readPem } from "../../../crypto/pem.ts";
import type { JsonValue } from "../../../json/value.ts";
import { type AzureSnpEvidence, readAzureSnpEvidence } from "../../formats/azure-hcl/evidence.ts";
import {
  asHardwareReport,
  checkBinding,
  parseAzureEvidence,
  parseHclReport,
  verifyVtpm,
  vtpmClaims,
} from "../../formats/azure-hcl/vtpm.ts";
import { SNP_CHECKS, type SnpCheck } from "../../formats/sev-snp/checks.ts";
import type { AmdEndorsements } from "../../formats/sev-snp/endorsements.ts";
import { readReport } from "../../formats/sev-snp/report.ts";
import { readVek, tcbMatches } from "../../formats/sev-snp/vek.ts";
import {
  type CarriedReport,
  type GenuineReport,
  SnpReportVerifier,
} from "../../formats/sev-snp/verify-report.ts";
import { Trail } from "../../trail.ts";
import {
  type Check,
  EvidenceRejected,
  type Expected,
  type Verification,
  type Verifier,
} from "../../verifier.ts";
import { AZ_SNP_CHECKS, type AzSnpCheck } from "./checks.ts";
import { azSnpReportClaims } from "./claims.ts";
import type { AzSnpSettings } from "./settings.ts";

type AzSnpTrail = Trail<AzSnpCheck>;
type SnpTrail = Trail<SnpCheck>;

/** At any other level the guest itself could have made the report, and with it the variable data. */
const PARAVISOR_VMPL = 0;

/** Appraises evidence of SEV-SNP VMs on Azure. Everything it uses of the world is handed in. */
export class AzSnpVerifier implements Verifier {
  readonly tee = "az-snp-vtpm";
  readonly #settings: AzSnpSettings;
  readonly #reports: SnpReportVerifier;

  constructor(settings: AzSnpSettings, endorsements: AmdEndorsements, now: () => number) {
    this.#settings = settings;
    const { dangerouslyAcceptAnyParavisor: any, allowedIdKeyDigests } = settings;
    const demands = {
      ...settings,
      allowedVmpls: [PARAVISOR_VMPL],
      allowedIdKeyDigests: any ? undefined : allowedIdKeyDigests,
    };
    this.#reports = new SnpReportVerifier(demands, endorsements, now);
  }

  async verify(json: JsonValue, expected: Expected, signal: AbortSignal): Promise<Verification> {
    const trail: AzSnpTrail = new Trail("az-snp-vtpm", AZ_SNP_CHECKS);
    const { minimumEvidenceVersion } = this.#settings;
    const evidence = parseAzureEvidence(trail, () => readAzureSnpEvidence(json), minimumEvidenceVersion);
    const vcek = readCertificate(trail, evidence);
    const hcl = parseHclReport(trail, evidence.hclReport, "snp");
    // Needs no key, so it comes before anything might be fetched; it proves nothing until the report is verified.
    checkBinding(trail, hcl, readReport(hcl.hardwareReport).reportData);
    const genuine = await this.#verifyReport(trail, hcl.hardwareReport, vcek, signal);
    const vtpm = verifyVtpm(trail, evidence, hcl, expected);
    const claims = { ...azSnpReportClaims(genuine), ...vtpmClaims(evidence, hcl, vtpm) };
    return { checks: trail.checks, results: [{ teeClass: "cpu", claims }] };
  }

  async #verifyReport(trail: AzSnpTrail, bytes: Buffer, vcek: Buffer, signal: AbortSignal) {
    const told: { trail: SnpTrail; readonly checks: readonly Check[] } = {
      trail: newTrail(),
      get checks() {
        return this.trail.checks;
      },
    };
    const genuine = await asHardwareReport(trail, "snp", told, async () => {
      try {
        return await this.#judge(told.trail, carriedReport(bytes, [vcek]), signal);
      } catch (error) {
        const other = isStale(vcek, bytes) ? await this.#judgeByOther(bytes, signal) : undefined;
        if (other === undefined) throw error;
        told.trail = other.trail;
        return other.genuine;
      }
    });
    trail.passed("hw-report", `an SNP report of ${genuine.chain.product}`);
    return genuine;
  }

  /** The platform hands out certificates that are a firmware update behind; AMD, or a folder, may have the right one. */
  async #judgeByOther(bytes: Buffer, signal: AbortSignal) {
    const trail = newTrail();
    try {
      return { trail, genuine: await this.#judge(trail, carriedReport(bytes, []), signal) };
    } catch (error) {
      // What was wrong with the certificate at hand says more than that there is no other.
      if (error instanceof EvidenceRejected) return undefined;
      throw error;
    }
  }

  async #judge(trail: SnpTrail, carried: CarriedReport, signal: AbortSignal): Promise<GenuineReport> {
    const attested = await this.#reports.attest(trail, carried, signal);
    this.#reports.appraise(trail, attested);
    return attested;
  }
}

function newTrail(): SnpTrail {
  return new Trail("snp", SNP_CHECKS);
}

/** Whether a certificate was made for another TCB than the report names. Neither of them is verified here. */
function isStale(vcek: Buffer, report: Buffer): boolean {
  try {
    return !tcbMatches(readVek(parseCertificate(vcek)), readReport(report).reportedTcb);
  } catch (error) {
    if (error instanceof DerError) return false;
    throw error;
  }
}

/** Version 0 carries PEM text; more certificates may follow the first, which alone is read. */
function readCertificate(trail: AzSnpTrail, { version, vcek }: AzureSnpEvidence): Buffer {
  if (version > 0) {
    trail.passed("cert-malformed", "DER", "DER (version 1 and later)");
    return vcek;
  }
  const first = readPem(vcek.toString("latin1")).find(({ label }) => label === "CERTIFICATE");
  if (first === undefined) throw trail.failed("cert-malformed", "no PEM certificate");
  try {
    parseCertificate(first.der);
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    throw trail.failed("cert-malformed", `malformed certificate: ${error.message}`);
  }
  trail.passed("cert-malformed", "PEM");
  return first.der;
}

/** Raw bytes: nothing was rebuilt, so nothing can be missing. */
function carriedReport(report: Buffer, vceks: readonly Buffer[]): CarriedReport {
  const certificates = vceks.map((data) => ({ label: "VCEK" as const, data }));
  return { report, withoutMitigations: false, certificates };
}
