// The list of what the image is made of, as CycloneDX: npm's own list of the packages that are installed in it, and
// whatever else is shipped with them. It is taken from the installed tree, because from the lock file npm leaves out
// packages that development uses as well.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";

/**
 * @param folder - where package.json and node_modules are; only production's dependencies are in either
 * @param epoch - seconds since 1970 that the list is dated with
 * @param node - version of the Node.js that is shipped along; absent: none is
 * @param packages - packages of Debian that are shipped along: name, version, architecture
 * @returns CycloneDX 1.5; the same sources give the same list
 */
export function billOfMaterials({ folder, epoch, node, packages = [] }) {
  const { status, stdout, stderr } = spawnSync("npm", ["sbom", "--sbom-format", "cyclonedx"], {
    cwd: folder,
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  if (status !== 0) throw new Error(`npm sbom failed: ${stderr}`);
  const list = JSON.parse(stdout);
  list.metadata.timestamp = new Date(epoch * 1000).toISOString();
  list.metadata.component.type = "application";
  if (node !== undefined) list.components.push(nodeComponent(node));
  list.components.push(...packages.map(debianComponent));
  delete list.serialNumber;
  return { ...list, serialNumber: serialNumber(list) };
}

function nodeComponent(version) {
  return {
    "bom-ref": `node@${version}`,
    type: "platform",
    name: "node",
    version,
    purl: `pkg:generic/node@${version}`,
    cpe: `cpe:2.3:a:nodejs:node.js:${version}:*:*:*:*:*:*:*`,
    licenses: [{ license: { id: "MIT" } }],
  };
}

function debianComponent({ name, version, architecture }) {
  const purl = `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${architecture}`;
  return { "bom-ref": purl, type: "library", name, version, purl };
}

/** A UUID that stands for the content, so that the same content has the same. */
function serialNumber(list) {
  const hash = createHash("sha256").update(JSON.stringify(list)).digest();
  hash[6] = (hash[6] & 0x0f) | 0x80;
  hash[8] = (hash[8] & 0x3f) | 0x80;
  const hex = hash.toString("hex");
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)];
  return `urn:uuid:${parts.join("-")}`;
}
