/** A compilation that was asked to stop: the same fault on every target. */
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import type { Progress } from '../target.ts'

/** `kept` says what need not be done again. */
export const stopped = (where: string, { done, total, unit }: Progress, kept: string): Fault =>
  fault('target', {
    place: `compiling (${where})`,
    found: `a request to stop after ${done} of ${total} ${unit}`,
    allowed: 'compiling that is left to end',
    remedy: `start again: ${kept} is not compiled again`,
  })
