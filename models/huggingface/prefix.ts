/**
 * What stands before the names of a backbone in files: wrappers of training programs, and the path of the backbone in whatever it is part
 * of.
 */

/** Parts of names that wrappers put in, wherever they stand: parallel training, compilation, sharding, recomputation. */
const wrappers: ReadonlySet<string> = new Set([
  'module',
  '_orig_mod',
  '_fsdp_wrapped_module',
  '_checkpoint_wrapped_module',
  '_forward_module',
  '_fpw_module',
  '_ddp_module',
])

/** A name without wrappers. */
export const unwrapped = (name: string): string =>
  name
    .split('.')
    .filter((part) => !wrappers.has(part))
    .join('.')

/** Whether a tensor is one rank's flat share of a sharded network, from which no layer can be recognised. */
export const isShare = (name: string): boolean => /(?:^|\.)_?flat_param(?:_\d+)?$/.test(name)

/** Names that a backbone is known by: the first of them, and one of each further list. */
export interface Anchors {
  readonly first: string
  readonly beside: ReadonlyArray<string>
}

/** The paths under which there is a backbone. */
export const prefixesOf = (names: ReadonlySet<string>, { first, beside }: Anchors): ReadonlyArray<string> =>
  [...names].flatMap((name) => {
    const prefix = name === first || name.endsWith(`.${first}`) ? name.slice(0, name.length - first.length) : undefined
    return prefix !== undefined && (beside.length === 0 || beside.some((b) => names.has(`${prefix}${b}`))) ? [prefix] : []
  })

/** Paths of networks that average another one, and of those that are averaged. */
const isAverage = (prefix: string): boolean => /(?:^|[._])(?:teacher|ema|target|momentum|averaged?|swa|encoder_k)(?:[._]|$)/.test(prefix)
const isTrained = (prefix: string): boolean => /(?:^|[._])(?:student|online|encoder_q)(?:[._]|$)/.test(prefix)

/**
 * Of several paths the one that is meant: of a pair that of the average (or of what is trained), else the only one that is neither.
 * Undefined where it cannot be determined.
 */
export const chosenPrefix = (prefixes: ReadonlyArray<string>, network: 'teacher' | 'student'): string | undefined => {
  if (prefixes.length === 1) return prefixes[0]
  const [averages, trained] = [prefixes.filter(isAverage), prefixes.filter((p) => !isAverage(p) && isTrained(p))]
  const plain = prefixes.filter((p) => !isAverage(p) && !isTrained(p))
  // a trained network beside its average is often called nothing at all
  const among = network === 'teacher' ? (averages.length > 0 ? averages : plain) : trained.length > 0 ? trained : plain
  const short = Math.min(...among.map((p) => p.split('.').length))
  const shortest = among.filter((p) => p.split('.').length === short)
  return shortest.length === 1 ? shortest[0] : undefined
}
