/** AMD processor lines with a root key of their own; the names are those of AMD's key distribution service. */
export const PRODUCTS = ["Milan", "Genoa", "Turin"] as const;
export type Product = (typeof PRODUCTS)[number];

/** Which key signed: one of the chip, or one loaded by the cloud provider. */
export type VekKind = "VCEK" | "VLEK";

/** Family, first model, last model (inclusive). Bergamo and Siena (0x19, 0xA0…) use Genoa's keys. */
const CPUID_RANGES: readonly (readonly [family: number, first: number, last: number, product: Product])[] = [
  [0x19, 0x00, 0x0f, "Milan"],
  [0x19, 0x10, 0x1f, "Genoa"],
  [0x19, 0xa0, 0xaf, "Genoa"],
  [0x1a, 0x00, 0x11, "Turin"],
];

/** Product line of the CPUID bytes of a report; `undefined`: one we hold no root for. */
export function productOfCpuid(family: number, model: number): Product | undefined {
  return CPUID_RANGES.find(([f, first, last]) => f === family && model >= first && model <= last)?.[3];
}

export function isProduct(name: string): name is Product {
  return PRODUCTS.some((product) => product === name);
}
