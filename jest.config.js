/** Tests are ES modules compiled by swc; types are checked by `npm run typecheck`. */
export default {
  testEnvironment: "node",
  testMatch: ["<rootDir>/test/**/*.test.ts"],
  modulePathIgnorePatterns: ["<rootDir>/dist/"],
  extensionsToTreatAsEsm: [".ts"],
  transform: {
    "^.+\\.ts$": [
      "@swc/jest",
      {
        jsc: { target: "es2023", parser: { syntax: "typescript" } },
        module: { type: "es6" },
      },
    ],
  },
  coverageProvider: "v8",
  collectCoverageFrom: ["src/**/*.ts"],
  testTimeout: 30_000,
};
