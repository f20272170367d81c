import {
  aloneService,
  brokerFoundation,
  folder,
  keySetOf,
  remoteService,
  SERVICE_TOKEN,
} from "../support/attestation-service.ts";
import { type AttestationServiceCase, attestationServiceContract } from "./attestation-service.ts";

async function builtIn(): Promise<AttestationServiceCase> {
  const at = folder();
  const { judge, tokens, audit, close } = await brokerFoundation(at, "  driver: built-in");
  return {
    service: judge.service,
    verify: (token) => tokens.verifier.verify(token, AbortSignal.timeout(5_000)),
    close: async () => {
      await close();
      await audit.log.close();
      at.dispose();
    },
  };
}

/** A broker that asks our own service, on its own in this process, over a real connection. */
const elsewhere = (driver: "coco_as_grpc" | "coco_as_rest") => async (): Promise<AttestationServiceCase> => {
  const service = await aloneService();
  const at = folder();
  at.file("service.token", SERVICE_TOKEN);
  at.file("as.jwks", await keySetOf(service.grpc));
  const address = driver === "coco_as_grpc" ? service.grpc : service.rest;
  const { judge, tokens, audit, close } = await brokerFoundation(at, remoteService(driver, address));
  return {
    service: judge.service,
    verify: (token) => tokens.verifier.verify(token, AbortSignal.timeout(5_000)),
    close: async () => {
      await close();
      await audit.log.close();
      await service.close();
      at.dispose();
    },
  };
};

attestationServiceContract("built-in", builtIn);
attestationServiceContract("coco_as_grpc", elsewhere("coco_as_grpc"));
attestationServiceContract("coco_as_rest", elsewhere("coco_as_rest"));
