/** The targets that random graphs are run on, and how many of them are compiled as one: a C compiler costs more than the graphs do. */
import * as E from 'fp-ts/lib/Either.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Device } from '../../compiler/target.ts'
import { nativeWith } from '../../compiler/targets/native/device.ts'
import { openTarget } from '../../compiler/targets/open.ts'
import type { Fault } from '../../core/fault.ts'
import { showFault } from '../../core/fault.ts'
import type { Prey } from '../support/hunt.ts'

const full = { mixed: 150, extents: 150, networks: 60 }
/** A software driver compiles few kernels a second: a network takes it ten seconds and more. */
const few = { mixed: 150, extents: 10, networks: 4 }

const prey = (
  name: string,
  together: number,
  opens: ReadonlyArray<TaskEither<Fault, Device>> = [openTarget(name)],
  counts: Readonly<Record<string, number>> = full,
): Prey => ({ name, opens, half: name === 'native' || name.startsWith('pjrt:'), together, counts })

export const preys: ReadonlyArray<Prey> = [
  // by one thread, and by two that share every kernel
  prey('native', 20, [nativeWith({ threads: 1 }).open, nativeWith({ threads: 2, least: 1 }).open]),
  prey('gpujs:webasm', 10),
  prey('gpujs:cpu', 10),
  prey('pjrt:cpu', 20),
  prey('gpujs:webgpu', 2, [openTarget('gpujs:webgpu')], few),
]

/** Why a target does not run here, if it does not. */
export const absence = async (p: Prey): Promise<string | undefined> => {
  const opened = await p.opens[0]()
  if (E.isLeft(opened)) return showFault(opened.left)
  opened.right.close()
  return undefined
}
