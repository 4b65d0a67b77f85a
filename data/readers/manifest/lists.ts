/** Lists in cells of a table, as JSON, Python and NumPy write them. */

/** One element of a list of Python: a text between quotes, or what stands between commas. */
const element = /\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^,'"]+?))\s*(?:,|$)/gy

/** `['a', 'b']`, `(1, 2)`, `[nan, 1.0]`: elements as texts and numbers; undefined for what is none. */
const fromPython = (inner: string): ReadonlyArray<unknown> | undefined => {
  const out: unknown[] = []
  let end = 0
  for (const m of inner.matchAll(element)) {
    end = m.index + m[0].length
    const [, single, double, plain = ''] = m.map((x: string | undefined) => x)
    const text = single ?? double
    out.push(
      text !== undefined
        ? text.replace(/\\(.)/g, '$1')
        : /^(nan|none)$/i.test(plain)
          ? null
          : Number.isFinite(Number(plain))
            ? Number(plain)
            : plain,
    )
  }
  return end === inner.length ? out : undefined
}

/** The elements of a list; undefined where a text is none. */
export const listOf = (text: string): ReadonlyArray<unknown> | undefined => {
  const plain = text.trim()
  const within = /^\[(.*)\]$/s.exec(plain)?.[1] ?? /^\((.*)\)$/s.exec(plain)?.[1]
  if (within === undefined) return undefined
  try {
    const u: unknown = JSON.parse(plain)
    const list: ReadonlyArray<unknown> | undefined = Array.isArray(u) ? u : undefined
    if (list !== undefined) return list
  } catch {
    // Python's or NumPy's
  }
  const inner = within.trim()
  if (inner === '') return []
  // NumPy puts blanks between
  if (/^-?\d[-+.\de]*(\s+-?\d[-+.\de]*)+$/.test(inner)) return inner.split(/\s+/).map(Number)
  return /[[\](){}]/.test(inner.replace(/'[^']*'|"[^"]*"/g, '')) ? undefined : fromPython(inner)
}
