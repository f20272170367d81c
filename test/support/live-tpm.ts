/** A TPM that lives: swtpm, manufactured with an endorsement certificate of an authority of its own. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const TOOLS = ["swtpm", "swtpm_setup", "swtpm_ioctl", "tpm2_quote"];
const ATTEMPTS = 200;

/** What is missing of the programs that a live TPM needs. */
export function missingTpmTools(): readonly string[] {
  const folders = (process.env["PATH"] ?? "").split(":");
  return TOOLS.filter((tool) => !folders.some((folder) => existsSync(join(folder, tool))));
}

export class LiveTpm {
  readonly #folder: string;
  #child: ChildProcess | undefined;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Manufactures a TPM; every one has an authority of its own. */
  static async make(): Promise<LiveTpm> {
    const folder = mkdtempSync(join(tmpdir(), "keywarden-swtpm-"));
    for (const name of ["state", "ca"]) mkdirSync(join(folder, name));
    const file = (name: string, lines: readonly string[]) => {
      writeFileSync(join(folder, name), `${lines.join("\n")}\n`);
      return join(folder, name);
    };
    const ca = file("localca.conf", [
      `statedir = ${folder}/ca`,
      `signingkey = ${folder}/ca/signkey.pem`,
      `issuercert = ${folder}/ca/issuercert.pem`,
      `certserial = ${folder}/ca/certserial`,
    ]);
    const options = file("localca.options", [
      "--tpm-manufacturer id:00001014",
      "--tpm-model swtpm",
      "--tpm-version 2",
      "--platform-manufacturer Keywarden",
      "--platform-version 1.0",
      "--platform-model Test",
    ]);
    const setup = file("setup.conf", [
      "create_certs_tool = /usr/bin/swtpm_localca",
      `create_certs_tool_config = ${ca}`,
      `create_certs_tool_options = ${options}`,
    ]);
    const flags = ["--create-ek-cert", "--create-platform-cert", "--lock-nvram", "--overwrite"];
    const banks = ["--pcr-banks", "sha1,sha256,sha384,sha512", "--vmid", "keywarden-test"];
    execFileSync(
      "swtpm_setup",
      ["--tpm2", "--tpmstate", join(folder, "state"), "--config", setup, ...flags, ...banks],
      { stdio: "pipe", timeout: 60_000 },
    );
    const tpm = new LiveTpm(folder);
    await tpm.powerOn();
    return tpm;
  }

  /** How tpm2-tools reach it. */
  get tcti(): string {
    return `swtpm:path=${this.#socket}`;
  }

  /** PEM files of the authority that certified the endorsement keys: root and issuer. */
  get authorities(): readonly string[] {
    return ["swtpm-localca-rootca-cert.pem", "issuercert.pem"].map((name) => join(this.#folder, "ca", name));
  }

  get #socket(): string {
    return join(this.#folder, "socket");
  }

  async powerOn(): Promise<void> {
    rmSync(this.#socket, { force: true });
    rmSync(`${this.#socket}.ctrl`, { force: true });
    const server = ["--server", `type=unixio,path=${this.#socket}`];
    const control = ["--ctrl", `type=unixio,path=${this.#socket}.ctrl`];
    const flags = ["--flags", "not-need-init,startup-clear"];
    const state = ["--tpmstate", `dir=${join(this.#folder, "state")}`];
    this.#child = spawn("swtpm", ["socket", "--tpm2", ...state, ...server, ...control, ...flags], {
      stdio: "ignore",
    });
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (existsSync(this.#socket)) return;
      await sleep(25);
    }
    throw new Error("swtpm did not start");
  }

  /** @param orderly - false: the power is cut */
  async powerOff(orderly = true): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    if (orderly) execFileSync("swtpm_ioctl", ["--unix", `${this.#socket}.ctrl`, "-s"], { timeout: 10_000 });
    else child.kill("SIGKILL");
    await gone;
    this.#child = undefined;
  }

  /** Runs one of tpm2-tools on this TPM. @returns what it wrote to standard output */
  tool(name: string, ...words: readonly string[]): string {
    return execFileSync(name, words, {
      env: { PATH: process.env["PATH"], TPM2TOOLS_TCTI: this.tcti },
      cwd: this.#folder,
      stdio: ["ignore", "pipe", "pipe"],
      encoding: "utf8",
      timeout: 30_000,
    });
  }

  /** Clears what tools leave in the TPM's slots. */
  flush(): void {
    for (const kind of ["-t", "-l", "-s"]) this.tool("tpm2_flushcontext", kind);
  }

  file(name: string): Buffer {
    return readFileSync(join(this.#folder, name));
  }

  async close(): Promise<void> {
    await this.powerOff(false);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
