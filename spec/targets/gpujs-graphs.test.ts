/** Every mode of gpu.js on random graphs and networks. */
import { holds } from './graphs.ts'
import { preys } from './preys.ts'
import { isOptional } from '../support/optional.ts'

for (const prey of preys) if (prey.name.startsWith('gpujs:')) await holds(prey, isOptional(prey.name))
