/**
 * The printed form of a graph: one node a line, numbered in order of evaluation, with its type and its scope.
 * The text depends on the graph alone, but for the scopes: an expression has the scope in which it was first made.
 *
 * ```
 * graph step
 *   %0 = input x : f32[2, 3]
 *   %1 = sum {"axes":[1]} (%0) : f32[2]          # head
 *   return y = %1
 * ```
 */
import type { Expr, Source } from './expr.ts'
import { keyOf, scopeOf } from './expr.ts'
import type { Graph } from './graph.ts'
import { nodesOf } from './graph.ts'
import { showType } from './type.ts'

const showSource = (s: Source): string => {
  switch (s._tag) {
    case 'Fill':
      return `fill ${s.value}`
    case 'Table':
      return `table [${s.values.length > 8 ? `${s.values.slice(0, 8).join(' ')} … ${s.values.length}` : s.values.join(' ')}]`
    case 'Draw':
      return `draw ${s.path} ${JSON.stringify(s.distribution)}`
    case 'Param':
    case 'State':
    case 'Input':
    case 'Hyper':
      return `${s._tag.toLowerCase()} ${s.path}`
  }
}

const showParams = (e: Expr): string => {
  if (e._tag !== 'Apply') return ''
  return e.op.params === null ? '' : ` ${keyOf(e.op.params)}`
}

const showNode = (e: Expr, name: (e: Expr) => string): string => {
  switch (e._tag) {
    case 'Leaf':
      return showSource(e.source)
    case 'Invalid':
      return `invalid ${JSON.stringify(e.fault.place)}`
    case 'Apply':
      return `${e.op.name}${showParams(e)} (${e.args.map(name).join(', ')})${e.region._tag === 'Some' ? ` @${e.region.value}` : ''}`
  }
}

export const print = (g: Graph): string => {
  const order = nodesOf(g)
  const names = new Map(order.map((e, i) => [e, `%${i}`]))
  const name = (e: Expr): string => names.get(e) ?? '%?'
  const lines = order.map((e) => {
    // a constant is shared by every scope that uses it, and a named leaf has its path
    const scope = e._tag === 'Leaf' ? '' : scopeOf(e)
    const line = `  ${name(e)} = ${showNode(e, name)} : ${showType(e.type)}`
    return scope === '' ? line : `${line.padEnd(72)}  # ${scope}`
  })
  const outs = g.outputs.map((o) => `  return ${o.role === 'state' ? 'state ' : ''}${o.path} = ${name(o.expr)}`)
  return [`graph ${g.name}`, ...lines, ...outs, ''].join('\n')
}
