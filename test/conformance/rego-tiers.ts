/** Categories of the evaluation suite by how much they matter; in each, `recent` cases are newer than the gate. */
const words = (text: string): readonly string[] => text.split(/\s+/).filter((word) => word !== "");

export const LANGUAGE_CORE = words(`
  arithmetic assignments baseandvirtualdocs comparisonexpr completedoc compositebasedereference
  compositereferences comprehensions containskeyword dataderef defaultkeyword disjunction elsekeyword
  embeddedvirtualdoc eqexpr evaltermexpr every example fix1863 functionerrors functions helloworld indexing
  indirectreferences inputvalues invalidkeyerror keywordrefs negation nestedreferences partialdocconstants
  partialiter partialobjectdoc partialsetdoc planner-ir refheads sets topdowndynamicdispatch type undos
  varreferences virtualdocs withkeyword`);

export const COMMON_BUILTINS = words(`
  aggregates all any array base64builtins base64urlbuiltins bitsand bitsnegate bitsor bitsshiftleft
  bitsshiftright bitsxor casts hexbuiltins intersection jsonbuiltins jsonfilter jsonfilteridempotent jsonpatch
  jsonremove jsonremoveidempotent numbersrange numbersrangestep objectfilter objectfilteridempotent
  objectfilternonstringkey objectget objectkeys objectremove objectremoveidempotent objectremovenonstringkey
  objectunion objectunionn rand regexfind regexfindallstringsubmatch regexisvalid regexmatch regexmatchtemplate
  regexreplace regexsplit replacen sprintf strings subset time toarray toset trim trimleft trimprefix trimright
  trimspace trimsuffix typebuiltin typenamebuiltin union units`);

export const PURE_BUILTINS = words(`
  cryptohmacequal cryptohmacmd5 cryptohmacsha1 cryptohmacsha256 cryptohmacsha512 cryptomd5 cryptosha1
  cryptosha256 globmatch globquotemeta jwtbuiltins jwtverifyeddsa jwtverifyhs256 jwtverifyhs384 jwtverifyhs512
  jwtverifyrsa netcidrcontains netcidrcontainsmatches netcidrexpand netcidrintersects netcidrisvalid reachable
  semvercompare semverisvalid urlbuiltins uuid walkbuiltin`);

/** Cases of these categories that test something of a later tier. */
export const LATER = (category: string, builtins: readonly string[]): boolean =>
  (category === "jsonbuiltins" && builtins.some((name) => name.startsWith("yaml."))) ||
  (category === "uuid" && builtins.some((name) => name !== "uuid.parse"));
