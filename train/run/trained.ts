/** How much of a network is trained, where strategies leave some of it as it is. */
import { sizeOf } from '../../core/type.ts'
import type { Resident } from '../step/objective.ts'
import { counted } from './length.ts'

/** Parameters below a path, and those of them that are trained. */
const parametersIn = (residents: ReadonlyArray<Resident>, root: string): readonly [trained: number, all: number] => {
  const within = residents.filter((r) => r.path.startsWith(`${root}.`) && (r.role === 'trained' || r.role === 'fixed'))
  const sum = (some: ReadonlyArray<Resident>): number => some.reduce((n, r) => n + sizeOf(r.declaration.shape), 0)
  return [sum(within.filter((r) => r.role === 'trained')), sum(within)]
}

const share = ([trained, all]: readonly [number, number]): string =>
  `${counted(trained)} of ${counted(all)} parameters (${((100 * trained) / all).toPrecision(2)} %)`

/**
 * `trains 27,648 of 182,528 parameters (15 %) of the backbone`, and how many of the heads; nothing where the backbone is trained
 * as a whole.
 */
export const trainedText = (residents: ReadonlyArray<Resident>): string | undefined => {
  const backbone = parametersIn(residents, 'student.backbone')
  if (backbone[0] === backbone[1]) return undefined
  const [trained, all] = parametersIn(residents, 'student')
  const rest = all - backbone[1] === 0 ? '' : `, and ${counted(trained - backbone[0])} of the heads`
  return `trains ${share(backbone)} of the backbone${rest}`
}
