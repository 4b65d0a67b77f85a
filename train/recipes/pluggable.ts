/** Experiments to which plugins add parts of a person's own. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import type { Experiment } from '../run/experiment.ts'
import type { Added } from './added.ts'
import { nothing } from './added.ts'

export interface Pluggable extends Experiment {
  /** The experiment with what plugins add; with `nothing`, as it is. */
  readonly plugged: (a: Added) => Experiment
}

/** The experiment that `make` makes of what plugins add. */
export const pluggable = (make: (a: Added) => Experiment): Pluggable => ({ ...make(nothing), plugged: make })

export const isPluggable = (e: Experiment): e is Pluggable => 'plugged' in e && typeof e.plugged === 'function'

/** An experiment that is made of another one, with plugins where that takes some. */
export const following = (e: Experiment, make: (e: Experiment) => Experiment): Experiment =>
  isPluggable(e) ? pluggable((a) => make(e.plugged(a))) : make(e)

/** An experiment with what plugins add. Fault: it is made of functions, not of parts. */
export const pluggedInto = (e: Experiment, a: Added): Either<Fault, Experiment> =>
  a.notes.length === 0
    ? E.right(e)
    : isPluggable(e)
      ? E.right(e.plugged(a))
      : E.left(
          fault('config', {
            place: '--plugin',
            found: `the plugin ${a.notes.map(({ file }) => file).join(', ')} beside ${e.name}, which is made of functions (experimentOf)`,
            allowed: 'plugins of experiments that are made of parts (experiment, experimentWith, recipe)',
            remedy: 'import in the program what the plugin has',
          }),
        )
