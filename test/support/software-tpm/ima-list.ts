/** An IMA list as the kernel prints it (template ima-ng), and the register that it gives. */
import { createHash } from "node:crypto";

interface Measured {
  readonly path: string;
  /** Hex of a SHA-256. */
  readonly digest: string;
}

const FILES: readonly Measured[] = ["/usr/bin/bash", "/usr/bin/ls", "/usr/lib/libc.so.6"].map((path) => ({
  path,
  digest: createHash("sha256").update(path).digest("hex"),
}));

export interface ImaList {
  readonly bytes: Buffer;
  /** PCR 10 of the SHA-256 bank after all records. */
  readonly pcr10: Buffer;
  withoutLast(): Buffer;
  withChangedFile(): Buffer;
  /** Lines as sha256sum prints them, of the first `count` files. */
  policy(count?: number): Buffer;
}

export function imaList(): ImaList {
  const changed = FILES.map((file, i) => (i === 1 ? { ...file, digest: "ab".repeat(32) } : file));
  return {
    bytes: print(FILES),
    pcr10: replay(FILES),
    withoutLast: () => print(FILES.slice(0, -1)),
    withChangedFile: () => print(changed),
    policy: (count = FILES.length) =>
      Buffer.from(
        FILES.slice(0, count)
          .map(({ path, digest }) => `${digest}  ${path}\n`)
          .join(""),
      ),
  };
}

function templateData({ path, digest }: Measured): Buffer {
  const sized = (bytes: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    return Buffer.concat([length, bytes]);
  };
  return Buffer.concat([
    sized(Buffer.concat([Buffer.from("sha256:\0"), Buffer.from(digest, "hex")])),
    sized(Buffer.from(`${path}\0`)),
  ]);
}

function print(files: readonly Measured[]): Buffer {
  const lines = files.map((file) => {
    const template = createHash("sha1").update(templateData(file)).digest("hex");
    return `10 ${template} ima-ng sha256:${file.digest} ${file.path}\n`;
  });
  return Buffer.from(lines.join(""));
}

function replay(files: readonly Measured[]): Buffer {
  let value: Buffer = Buffer.alloc(32);
  for (const file of files) {
    const digest = createHash("sha256").update(templateData(file)).digest();
    value = createHash("sha256").update(value).update(digest).digest();
  }
  return value;
}
