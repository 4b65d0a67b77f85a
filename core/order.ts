/** Graph walks. All are iterative: a chain of 200,000 nodes must order, differentiate and print. */
import type { Expr } from './expr.ts'

const argsOf = (e: Expr): ReadonlyArray<Expr> => (e._tag === 'Apply' ? e.args : [])

/** Every expression reachable from `roots`, arguments before users, in a fixed order (depth first, left to right). */
export const topological = (roots: ReadonlyArray<Expr>): ReadonlyArray<Expr> => {
  const order: Array<Expr> = []
  const seen = new Set<Expr>()
  const stack: Array<{ readonly e: Expr; next: number }> = []
  const visit = (e: Expr): void => {
    if (seen.has(e)) return
    seen.add(e)
    stack.push({ e, next: 0 })
  }
  for (const root of roots) {
    visit(root)
    while (stack.length > 0) {
      const top = stack[stack.length - 1]
      const args = argsOf(top.e)
      if (top.next < args.length) visit(args[top.next++])
      else {
        order.push(top.e)
        stack.pop()
      }
    }
  }
  return order
}

/** For every expression of an order, who reads it (once per reading argument). */
export const usersOf = (order: ReadonlyArray<Expr>): ReadonlyMap<Expr, ReadonlyArray<Expr>> => {
  const users = new Map<Expr, Array<Expr>>(order.map((e) => [e, []]))
  for (const e of order) for (const a of argsOf(e)) users.get(a)?.push(e)
  return users
}
