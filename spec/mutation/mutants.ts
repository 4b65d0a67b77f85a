/** All mutants. */
import type { Mutant } from './mutant.ts'
import { graphMutants } from './mutants/graphs.ts'
import { kernelMutants } from './mutants/kernels.ts'
import { nativeMutants } from './mutants/native.ts'

export const mutants: ReadonlyArray<Mutant> = [...graphMutants, ...kernelMutants, ...nativeMutants]
