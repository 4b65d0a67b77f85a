/** Axes that ops are asked for: counted from either end, and explained where there are none. */
import { showAsked } from '../core/asked.ts'
import type { Expr } from '../core/expr.ts'
import { misuse } from '../core/primitive.ts'
import { showShape } from '../core/type.ts'

/** An axis counted from the end where it is negative; itself where it does not exist, so that the op can say so. */
export const axisOf = (x: Expr, axis: number): number => (axis < 0 ? axis + x.type.shape.length : axis)

/** Whether there is this axis, counted from the start. */
export const hasAxis = (x: Expr, axis: number): boolean => Number.isInteger(axis) && axis >= 0 && axis < x.type.shape.length

/** The axes of a list, or of the settings of a reduction. */
const axesIn = (u: unknown): unknown => (typeof u === 'object' && u !== null && 'axes' in u ? u.axes : u)

/** What to write where an op that takes one axis was given a list of axes, or settings that have one. */
export const axisItself = (op: string, asked: unknown): string | undefined => {
  const axes = axesIn(asked)
  if (typeof asked !== 'object' || asked === null || !(Array.isArray(axes) || typeof axes === 'number')) return undefined
  const all: ReadonlyArray<unknown> = Array.isArray(axes) ? axes : [axes]
  return `${op} takes the axis itself: ${all.length === 1 ? showAsked(all[0]) : 'one number'} in place of ${showAsked(asked)}`
}

/** The misuse of an op that was asked for an axis which its first argument does not have. */
export const noAxis = (op: string, args: readonly [Expr, ...ReadonlyArray<Expr>], asked: unknown, remedy = 'name an existing axis'): Expr =>
  misuse(op, args, {
    allowed: `an axis of ${showShape(args[0].type.shape)} (asked: ${showAsked(asked)})`,
    remedy: axisItself(op, asked) ?? remedy,
  })
