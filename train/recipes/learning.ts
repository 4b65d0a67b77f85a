/** What an experiment learns: a method with the settings that are its own, and what it asks of a run besides. */
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import type { Augmentation } from '../../data/augment/augmentation.ts'
import type { Section } from '../config/section.ts'
import type { AtHand } from '../run/assembly.ts'
import type { Beginning, Ongoing, Trained } from '../run/experiment.ts'
import type { Numbers } from '../run/judge.ts'
import type { Phase } from '../run/phases.ts'
import type { Method } from '../step/method.ts'
import type { Schedule } from '../step/schedule.ts'
import type { Values } from '../step/values.ts'
import type { Usual } from './parts/training.ts'
import type { Standard } from './standard.ts'

export interface Learning<L extends object> {
  readonly settings: Section<L>
  /** How it is followed where an experiment says nothing else. Default: as DINO is. */
  readonly usual?: Usual
  /** Networks, loss and feed for the images at hand. */
  readonly method: (s: L, seen: AtHand) => Method
  /** Crops beside those of the augmentation. Default: none. */
  readonly views?: (s: L) => (a: Augmentation) => Augmentation
  /** What its loss reads at every step besides the usual hypers. Default: nothing. */
  readonly hypers?: (s: L) => Readonly<Record<string, Schedule>>
  /** Other settings from some step on. Default: none. */
  readonly phases?: <S extends L & Standard<unknown>>(s: S) => ReadonlyArray<Phase<S>>
  /** The networks that begin as `start` says. Default: the student, and a Gram teacher. */
  readonly begins?: ReadonlyArray<string>
  /** First values of other networks. Default: none. */
  readonly first?: (s: L & Standard<unknown>, how: Beginning) => TaskEither<Fault, Values>
  /** What is done before a step. Default: nothing. */
  readonly between?: (s: L & Standard<unknown>) => (run: Ongoing) => (step: number) => TaskEither<Fault, void>
  /** What becomes of its networks when they are trained. Default: nothing besides the usual. */
  readonly after?: (s: L) => (t: Trained) => TaskEither<Fault, Numbers>
}
