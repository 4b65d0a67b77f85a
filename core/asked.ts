/** What a program asked for, as its author reads it in a fault: types are not checked by tsx, so it may be anything. */
import { isExpr } from './model.ts'
import { showType } from './type.ts'

/** Lists and records within each other that are shown. */
const deepest = 3

const shown = (u: unknown, depth: number): string => {
  if (typeof u === 'string') return JSON.stringify(u)
  if (typeof u === 'function') return 'a function'
  if (typeof u !== 'object' || u === null) return String(u)
  if (isExpr(u)) return `a tensor ${showType(u.type)}`
  if (depth === deepest) return '…'
  if (Array.isArray(u)) return `[${u.map((x) => shown(x, depth + 1)).join(', ')}]`
  const entries = Object.entries(u).map(([name, x]) => `${name}: ${shown(x, depth + 1)}`)
  return entries.length === 0 ? '{}' : `{ ${entries.join(', ')} }`
}

/** As it is typed in a program: `1`, `[1, -1]`, `{ axes: [1] }`; of a tensor its type. */
export const showAsked = (u: unknown): string => {
  const text = shown(u, 0)
  return text.length <= 120 ? text : `${text.slice(0, 120)}…`
}
