import { describe, expect, test } from "@jest/globals";
import { EV } from "../../../../src/attestation/formats/eventlog/event-types.ts";
import {
  checkReplay,
  eventClaims,
  parseEventLog,
  type RegisterKind,
  replay,
} from "../../../../src/attestation/formats/eventlog/index.ts";
import type { JsonObject } from "../../../../src/json/value.ts";
import {
  agentEvent,
  agileLog,
  GUIDS,
  grub,
  secureBoot,
  separator,
  u32,
  u64,
  variable,
  type WrittenEvent,
} from "../../../support/event-logs.ts";

/** Facts of a log whose registers are those of the machine. */
function factsOf(events: readonly WrittenEvent[], kind: RegisterKind = "pcr"): JsonObject {
  const log = parseEventLog(agileLog(["sha256"], events));
  const report = checkReplay(log, replay(log, "sha256", { kind }), "sha256", { kind });
  return eventClaims(log, report, { detail: "facts" })["eventlog"] as JsonObject;
}

const utf16 = (text: string) => Buffer.from(`${text}\0`, "utf16le");
const image = (text: string, type: number = EV.efiBootServicesApplication): WrittenEvent => ({
  register: 4,
  type,
  data: imageData("\\EFI\\BOOT\\BOOTX64.EFI"),
  measured: Buffer.from(text),
});

function imageData(file: string): Buffer {
  const name = utf16(file);
  const node = Buffer.concat([
    Buffer.from([4, 4]),
    u16(4 + name.length),
    name,
    Buffer.from("7fff0400", "hex"),
  ]);
  return Buffer.concat([u64(0), u64(0), u64(0), u64(node.length), node]);
}

function u16(value: number): Buffer {
  return u32(value).subarray(0, 2);
}

describe("Secure Boot", () => {
  test("is on when firmware measured that it is", () => {
    expect(factsOf([secureBoot(true), separator(7)])["secure_boot"]).toMatchObject({
      enabled: true,
      complete: true,
    });
    expect(factsOf([secureBoot(false), separator(7)])["secure_boot"]).toMatchObject({ enabled: false });
  });

  test("is nothing when it was measured into another register", () => {
    expect(factsOf([secureBoot(true, 14), separator(7)])["secure_boot"]).toBeUndefined();
  });

  test("is not what was measured behind the separator", () => {
    const forged = [secureBoot(false), separator(7), secureBoot(true)];
    expect(factsOf(forged)["secure_boot"]).toMatchObject({ enabled: false });
    expect(factsOf([separator(7), secureBoot(true)])["secure_boot"]).toBeUndefined();
  });

  test("is not on because the log calls the separator and the true switch something else", () => {
    const events = [
      { ...secureBoot(false), type: EV.postCode, data: Buffer.from("x"), measured: secureBoot(false).data },
      { ...separator(7), type: EV.postCode },
      secureBoot(true),
    ];
    expect(factsOf(events)["secure_boot"]).toBeUndefined();
  });

  test("is off when it was measured on and off", () => {
    expect(factsOf([secureBoot(true), secureBoot(false)])["secure_boot"]).toMatchObject({ enabled: false });
  });

  test("is not complete when an authority may hide behind another type", () => {
    const hidden = {
      register: 7,
      type: EV.postCode,
      data: Buffer.from("x"),
      measured: Buffer.from("authority"),
    };
    expect(factsOf([secureBoot(true), separator(7), hidden])["secure_boot"]).toMatchObject({
      complete: false,
    });
  });

  test("counts the entries of the lists", () => {
    const entry = Buffer.concat([Buffer.alloc(16, 1), Buffer.alloc(32, 2)]);
    const type = Buffer.from("2616c4c14c509240aca941f936934328", "hex");
    const list = Buffer.concat([type, u32(28 + 2 * 48), u32(0), u32(48), entry, entry]);
    const dbx = {
      register: 7,
      type: EV.efiVariableDriverConfig,
      data: variable(GUIDS.database, "dbx", list),
    };
    expect(factsOf([secureBoot(true), dbx])["secure_boot"]).toMatchObject({ dbx_count: 2 });
    const broken = { ...dbx, data: variable(GUIDS.database, "dbx", list.subarray(0, -1)) };
    expect(factsOf([secureBoot(true), broken])["secure_boot"]).toMatchObject({ dbx_count: 0 });
  });

  test("has shim's level", () => {
    const data = variable(GUIDS.shim, "SbatLevel", Buffer.from("sbat,1,2021030218\n"));
    const level = { register: 7, type: EV.efiVariableAuthority, data };
    expect(factsOf([secureBoot(true), separator(7), level])["sbat_level"]).toBe("sbat,1,2021030218");
  });
});

describe("images", () => {
  test("are listed with their hash and where they came from", () => {
    const { images } = factsOf([separator(4), image("shim")]);
    expect(images).toEqual([
      { path: "\\EFI\\BOOT\\BOOTX64.EFI", authenticode: expect.any(String), register: 4 },
    ]);
  });

  test.each([
    ["another type", image("evil", EV.postCode)],
    ["a type that nobody knows", image("evil", 0x7fff0001)],
    [
      "an action that is the image",
      {
        ...image("", EV.efiAction),
        data: Buffer.from("MZ\0\0 image"),
        measured: Buffer.from("MZ\0\0 image"),
      },
    ],
  ])("%s does not take one off the list", (_, event) => {
    expect(factsOf([separator(4), event])["images"]).toHaveLength(1);
  });
});

describe("the kernel's command line", () => {
  const line = (text: string, prefix = "kernel_cmdline: ") => grub(8, prefix, text);

  test.each(["kernel_cmdline: ", "grub_kernel_cmdline "])(
    "is bound when its digest says so: %j",
    (prefix) => {
      expect(factsOf([line("/vmlinuz ro", prefix)])["kernel_cmdline"]).toEqual({
        text: "/vmlinuz ro",
        bound: true,
        source: "grub",
      });
    },
  );

  test("is not bound when the digest is of another", () => {
    const event = { ...line("/vmlinuz ro"), measured: Buffer.from("/vmlinuz init=/bin/sh") };
    expect(factsOf([event])["kernel_cmdline"]).toMatchObject({ bound: false });
  });

  test("is not bound when there are two", () => {
    expect(factsOf([line("/vmlinuz evil"), line("/vmlinuz ro")])["kernel_cmdline"]).toMatchObject({
      bound: false,
      all: ["/vmlinuz evil", "/vmlinuz ro"],
    });
  });

  test("is nothing in a register that boot loaders do not use", () => {
    expect(factsOf([{ ...line("/vmlinuz ro"), register: 16 }])["kernel_cmdline"]).toBeUndefined();
  });

  test("of systemd-stub is UTF-16 without its terminator", () => {
    const data = utf16("root=/dev/vda2");
    const event = { register: 12, type: EV.ipl, data, measured: data.subarray(0, -2) };
    expect(factsOf([event])["kernel_cmdline"]).toEqual({
      text: "root=/dev/vda2",
      bound: true,
      source: "stub",
    });
  });

  test("of td-shim is padded", () => {
    const padded = Buffer.alloc(64);
    padded.write("root=/dev/vda1");
    const data = Buffer.concat([Buffer.from("td_payload_info\0"), u32(padded.length), padded]);
    const event = { register: 2, type: EV.platformConfigFlags, data, measured: padded };
    expect(factsOf([event], "cc")["kernel_cmdline"]).toEqual({
      text: "root=/dev/vda1",
      bound: true,
      source: "td-shim",
    });
  });

  test("of the EFI stub is a digest only", () => {
    const label = Buffer.from("LOADED_IMAGE::LoadOptions\0");
    const data = Buffer.concat([u32(0x8f3b22ed), u32(label.length), label]);
    const facts = factsOf([{ register: 9, type: EV.eventTag, data, measured: utf16("root=/dev/vda1") }]);
    expect(facts).toMatchObject({
      kernel_cmdline: { bound: false, source: "efi" },
      load_options_digests: [expect.stringMatching(/^[0-9a-f]{64}$/)],
    });
  });
});

describe("a unified kernel image", () => {
  const section = (name: string, content: string): WrittenEvent[] => [
    { register: 11, type: EV.ipl, data: utf16(name), measured: Buffer.from(`${name}\0`) },
    { register: 11, type: EV.ipl, data: utf16(name), measured: Buffer.from(content) },
  ];
  const phase = (name: string): WrittenEvent => ({
    register: 11,
    type: EV.ipl,
    data: Buffer.from("?"),
    measured: Buffer.from(name),
  });

  test("has sections and phases, and nothing else", () => {
    const facts = factsOf([
      ...section(".linux", "kernel"),
      ...section(".cmdline", "ro"),
      phase("enter-initrd"),
    ]);
    expect(facts["uki"]).toMatchObject({
      complete: true,
      sections: [{ name: ".linux" }, { name: ".cmdline" }],
      phases: ["enter-initrd"],
    });
  });

  test.each([
    ["a section measured twice", [...section(".linux", "evil"), ...section(".linux", "good")]],
    [
      "a section measured after a phase",
      [...section(".osrel", "os"), phase("ready"), ...section(".linux", "good")],
    ],
    ["an event that is neither", [...section(".linux", "good"), phase("something else")]],
    ["a section without content", section(".linux", "good").slice(0, 1)],
  ])("%s makes it incomplete", (_, events) => {
    expect((factsOf(events)["uki"] as JsonObject | undefined)?.["complete"] ?? false).toBe(false);
  });

  test("a section called something else is still that section", () => {
    const [name, content] = section(".linux", "evil");
    const hidden = [name, content].flatMap((event) =>
      event === undefined ? [] : [{ ...event, type: EV.postCode, data: Buffer.from("x") }],
    );
    expect(factsOf([...hidden, ...section(".linux", "good")])["uki"]).toMatchObject({
      complete: false,
      sections: [{ name: ".linux" }, { name: ".linux" }],
    });
  });
});

describe("other facts", () => {
  test("containers that the agent pulled", () => {
    const content = JSON.stringify({ digest: "sha256:00", image: "docker.io/library/alpine:3.20" });
    const events = [
      agentEvent(17, `github.com/confidential-containers PullImage ${content}`),
      agentEvent(17, "example.org load plain text"),
    ];
    expect(factsOf(events)).toMatchObject({
      containers: [{ image: "docker.io/library/alpine:3.20", digest: "sha256:00" }],
      agent_events: [
        { operation: "PullImage" },
        { domain: "example.org", operation: "load", content: "plain text" },
      ],
      formats: ["tcg2", "aael"],
    });
  });

  test("separators that came twice or report an error", () => {
    const error = { register: 5, type: EV.separator, data: Buffer.from([1, 0, 0, 0]) };
    expect(factsOf([separator(4), separator(4), error])["separator_errors"]).toEqual([
      { register: 4, event: 1, reason: "second separator" },
      { register: 5, event: 2, reason: "value 01000000" },
    ]);
  });

  test("the end of boot services, the boot order, unknown types", () => {
    const end = {
      register: 5,
      type: EV.efiAction,
      data: Buffer.from("Exit Boot Services Returned with Success"),
    };
    const order = {
      register: 1,
      type: EV.efiVariableBoot,
      data: variable(GUIDS.global, "BootOrder", Buffer.from([2, 0, 0xa, 0])),
    };
    const unknown = { register: 5, type: 0x7fff0001, data: Buffer.from("x") };
    expect(factsOf([end, order, unknown])).toMatchObject({
      exit_boot_services: true,
      boot_order: ["0002", "000A"],
      unknown_types: [0x7fff0001],
    });
  });

  test("Windows' own measurements, until it closed the register", () => {
    const sipa = (type: number, data: Buffer) => Buffer.concat([u32(type), u32(data.length), data]);
    const boxed = (inner: Buffer) => ({ register: 12, type: EV.eventTag, data: sipa(0x40010001, inner) });
    const early = boxed(
      Buffer.concat([sipa(0x00050002, Buffer.from([1])), sipa(0x00050001, Buffer.from([0]))]),
    );
    const late = boxed(sipa(0x00050003, Buffer.from([0])));
    const closing = { register: 12, type: EV.separator, data: Buffer.from("WBCL") };
    expect(factsOf([early, closing, late])["windows"]).toEqual({
      code_integrity: true,
      os_kernel_debug: false,
      modules: [],
    });
    const contradicted = boxed(sipa(0x00050002, Buffer.from([0])));
    expect(factsOf([early, contradicted])["windows"]).toMatchObject({ code_integrity: null });
  });

  test("B23 what comes after two hundred good things is not passed over in silence", () => {
    const good = (number: number) => Array.from({ length: number }, () => image("good"));
    const digests = (events: readonly WrittenEvent[]) => {
      const images = factsOf(events)["images"] as unknown as JsonObject[]; // a list of objects
      return new Set(images.map(({ authenticode }) => authenticode));
    };
    expect(digests(good(200)).size).toBe(1);
    expect(digests([...good(200), image("evil")])).toEqual(new Set([...digests(good(1)), ""]));
    const lines = (number: number) =>
      Array.from({ length: number }, () => grub(8, "kernel_cmdline: ", "/vmlinuz good"));
    expect(factsOf(lines(200))["kernel_cmdline"]).toMatchObject({ bound: true });
    const hidden = [...lines(200), grub(8, "kernel_cmdline: ", "/vmlinuz evil")];
    expect(factsOf(hidden)["kernel_cmdline"]).toMatchObject({ bound: false });
  });

  test("a register that is not signed gives no fact", () => {
    const log = parseEventLog(agileLog(["sha256"], [secureBoot(true), separator(4)]));
    const four = replay(log, "sha256").get(4) ?? Buffer.alloc(0);
    const report = checkReplay(log, new Map([[4, four]]), "sha256");
    const claims = eventClaims(log, report);
    expect((claims["eventlog"] as JsonObject)["secure_boot"]).toBeUndefined();
    expect((claims["uefi_event_logs"] as unknown as JsonObject[])[0]).toMatchObject({
      covered: false,
      bound: false,
    });
  });

  test("claims without events, or without facts", () => {
    const log = parseEventLog(agileLog(["sha256"], [secureBoot(true)]));
    const report = checkReplay(log, replay(log, "sha256"), "sha256");
    expect(Object.keys(eventClaims(log, report, { detail: "facts" }))).toEqual(["eventlog"]);
    expect(eventClaims(log, report, { detail: "none" })).toEqual({
      eventlog: { formats: ["tcg2"], algorithm: "sha256", replayed: { "7": "match" } },
    });
  });
});
