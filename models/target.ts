/** Which modules of a network a strategy means, with the semantics of PEFT (`tuners_utils.check_target_module_exists`). */

/**
 * A list names modules by their last whole dotted parts (`attn.qkv` is `blocks.3.attn.qkv`), a text is a regular expression for
 * the whole name, `all-linear` means every linear layer, and a predicate is asked.
 */
export type Targets = ReadonlyArray<string> | string | ((module: string) => boolean)

/** A list as PEFT reads it: the name itself, or its last parts. */
export const hasSuffix =
  (suffixes: ReadonlyArray<string>) =>
  (module: string): boolean =>
    suffixes.some((s) => module === s || module.endsWith(`.${s}`))

/** What Python writes otherwise in an expression: names of groups, and the ends of a text. */
const inJavaScript = (t: string): string =>
  t
    .replaceAll('(?P<', '(?<')
    .replace(/\(\?P=(\w+)\)/g, '\\k<$1>')
    .replace(/\\([AZ])/g, (_, end) => (end === 'A' ? '^' : '$'))

/** An expression for the whole of a name, after `before`; undefined where it cannot be read. Without `u` any sign may be escaped. */
const compiled = (t: string, before = ''): RegExp | undefined => {
  for (const flags of ['u', ''])
    try {
      return new RegExp(`^${before}(?:${inJavaScript(t)})$`, flags)
    } catch {
      continue
    }
  return undefined
}

/** Whether the expressions among targets can be read. */
export const isReadable = (t: Targets): boolean => typeof t !== 'string' || compiled(t) !== undefined

/** Whether `module` is meant. An expression that cannot be read means nothing. */
export const matches =
  (t: Targets) =>
  (module: string): boolean => {
    if (typeof t === 'function') return t(module)
    if (typeof t !== 'string') return hasSuffix(t)(module)
    return t === 'all-linear' || compiled(t)?.test(module) === true
  }

/** The value of the first pattern that fits the end of the name at a whole part (`peft.utils.get_pattern_key`), or `otherwise`. */
export const byPattern =
  (patterns: Readonly<Record<string, number>>, otherwise: number) =>
  (module: string): number =>
    Object.entries(patterns).find(([p]) => compiled(p, '(?:.*\\.)?')?.test(module) === true)?.[1] ?? otherwise

/** The number of the layer that a module belongs to: the number behind the last list (or behind `list`) in its name. */
export const layerOf = (module: string, list = '[^.]*'): number | undefined => {
  const found = compiled(`(?:${list})\\.(\\d+)\\..*`, '.*\\.')?.exec(`.${module}.`) ?? null
  return found === null ? undefined : Number(found[1])
}
