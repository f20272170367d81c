/**
 * A policy of the size and shape that generators write for agents inside confidential guests: Rego v0, a few hundred
 * lines of rules and thousands of lines of data about containers, of which a request has to match one.
 */

const RULES = `package agent_policy

import future.keywords.in
import future.keywords.every

default CreateContainerRequest := false
default ExecProcessRequest := false

CreateContainerRequest {
	i_oci := input.OCI
	i_storages := input.storages
	print("create: input", input.container_id)
	some p_container in policy_data.containers
	p_oci := p_container.OCI
	p_oci.Version == i_oci.Version
	p_oci.Root.Readonly == i_oci.Root.Readonly
	allow_annotations(p_oci, i_oci)
	allow_process(p_oci.Process, i_oci.Process)
	allow_mounts(p_oci.Mounts, i_oci.Mounts, i_oci.Annotations["bundle-id"])
	allow_namespaces(p_oci.Linux.Namespaces, i_oci.Linux.Namespaces)
	allow_storages(p_container.storages, i_storages)
	print("create: true")
}

ExecProcessRequest {
	command := concat(" ", input.process.Args)
	some allowed in policy_data.request_defaults.exec_commands
	allowed == command
}

allow_annotations(p_oci, i_oci) {
	every key, value in p_oci.Annotations {
		i_oci.Annotations[key] == value
	}
	every key, _ in i_oci.Annotations {
		allow_annotation_key(p_oci, key)
	}
}

allow_annotation_key(p_oci, key) {
	p_oci.Annotations[key]
}

allow_annotation_key(_, key) {
	key in ["bundle-id", "sandbox-id"]
}

allow_process(p_process, i_process) {
	p_process.Terminal == i_process.Terminal
	p_process.Cwd == i_process.Cwd
	p_process.NoNewPrivileges == i_process.NoNewPrivileges
	allow_user(p_process.User, i_process.User)
	allow_args(p_process.Args, i_process.Args)
	allow_environment(p_process.Env, i_process.Env)
	allow_capabilities(p_process.Capabilities, i_process.Capabilities)
}

allow_user(p_user, i_user) {
	p_user.UID == i_user.UID
	p_user.GID == i_user.GID
}

allow_args(p_args, i_args) {
	count(p_args) == count(i_args)
	every at, arg in i_args {
		allow_arg(p_args[at], arg)
	}
}

allow_arg(p_arg, i_arg) {
	p_arg == i_arg
}

allow_arg(p_arg, i_arg) {
	replace(p_arg, "$(name)", "pod") == i_arg
}

allow_environment(p_env, i_env) {
	every variable in i_env {
		allow_variable(p_env, variable)
	}
}

allow_variable(p_env, variable) {
	some allowed in p_env
	allowed == variable
}

allow_variable(_, variable) {
	name_value := split(variable, "=")
	count(name_value) == 2
	some pattern in policy_data.common.environment_patterns
	regex.match(pattern, variable)
}

allow_capabilities(p_capabilities, i_capabilities) {
	every kind in ["Bounding", "Effective", "Permitted"] {
		{name | some name in p_capabilities[kind]} == {name | some name in i_capabilities[kind]}
	}
}

allow_mounts(p_mounts, i_mounts, bundle) {
	every mount in i_mounts {
		allow_mount(p_mounts, mount, bundle)
	}
}

allow_mount(p_mounts, mount, bundle) {
	some allowed in p_mounts
	allowed.destination == mount.destination
	allowed.type_ == mount.type_
	allowed.options == mount.options
	source := replace(allowed.source, "$(bundle-id)", bundle)
	regex.match(source, mount.source)
}

allow_namespaces(p_namespaces, i_namespaces) {
	p := {namespace.Type | some namespace in p_namespaces}
	i := {namespace.Type | some namespace in i_namespaces}
	p == i
}

allow_storages(p_storages, i_storages) {
	count(p_storages) == count(i_storages)
	every storage in i_storages {
		allow_storage(p_storages, storage)
	}
}

allow_storage(p_storages, storage) {
	some allowed in p_storages
	allowed.driver == storage.driver
	allowed.fstype == storage.fstype
	allowed.mount_point == storage.mount_point
}
`;

const CONTAINERS = 14;
const MOUNTS = ["proc", "dev", "sys", "tmp", "run", "etc/hosts", "etc/resolv.conf", "secrets"];
const CAPABILITIES = [
  "CHOWN",
  "DAC_OVERRIDE",
  "FOWNER",
  "FSETID",
  "KILL",
  "SETGID",
  "SETUID",
  "NET_BIND_SERVICE",
];

function mount(container: number, name: string, bundle: string): Record<string, unknown> {
  return {
    destination: `/${name}`,
    type_: "bind",
    source: `^/run/guest/shared/${bundle}/${container}-${name.replaceAll("/", "-")}$`,
    options: ["rbind", "rprivate", name === "proc" ? "ro" : "rw"],
  };
}

function spec(container: number, bundle: string): Record<string, unknown> {
  const capabilities = CAPABILITIES.map((name) => `CAP_${name}`);
  return {
    Version: "1.1.0",
    Root: { Path: `/run/guest/${container}/rootfs`, Readonly: true },
    Annotations: Object.fromEntries(
      Array.from({ length: 8 }, (_, at) => [`key-${at}`, `value ${container} ${at}`]),
    ),
    Process: {
      Terminal: false,
      Cwd: "/",
      NoNewPrivileges: true,
      User: { UID: 1000 + container, GID: 1000 },
      Args: ["/bin/server", "--name", "pod", `--container=${container}`],
      Env: Array.from({ length: 20 }, (_, at) => `VARIABLE_${at}=value ${at}`),
      Capabilities: { Bounding: capabilities, Effective: capabilities, Permitted: capabilities },
    },
    Mounts: MOUNTS.map((name) => mount(container, name, bundle)),
    Linux: { Namespaces: ["ipc", "uts", "mount", "pid"].map((Type) => ({ Type, Path: "" })) },
  };
}

function storages(container: number): readonly unknown[] {
  return Array.from({ length: 4 }, (_, at) => ({
    driver: "blk",
    fstype: "ext4",
    mount_point: `/run/guest/${container}/layer-${at}`,
  }));
}

/** About 2 900 lines of Rego v0; ask for `data.agent_policy.CreateContainerRequest`. */
export function agentPolicy(): string {
  const data = {
    containers: Array.from({ length: CONTAINERS }, (_, at) => ({
      OCI: spec(at, "$(bundle-id)"),
      storages: storages(at),
    })),
    common: { environment_patterns: ["^HOSTNAME=[a-z0-9-]+$", "^[A-Z_0-9]+_PORT=tcp://[0-9.]+:[0-9]+$"] },
    request_defaults: { exec_commands: ["cat /etc/hostname", "ps"] },
  };
  return `${RULES}\npolicy_data := ${JSON.stringify(data, undefined, "\t")}\n`;
}

/** A request that the last container of the policy allows: all others are compared before. */
export function agentRequest(): unknown {
  const last = CONTAINERS - 1;
  const asked = spec(last, "b1");
  const mounts = MOUNTS.map((name) => {
    const one = mount(last, name, "b1");
    return { ...one, source: String(one["source"]).slice(1, -1) };
  });
  const annotations = { ...(asked["Annotations"] as object), "bundle-id": "b1", "sandbox-id": "s1" }; // made above
  return {
    container_id: "c1",
    storages: storages(last),
    OCI: { ...asked, Mounts: mounts, Annotations: annotations },
  };
}
