/** XLA on random graphs and networks, where there is a plugin. */
import { isOptional } from '../support/optional.ts'
import { holds } from './graphs.ts'
import { preys } from './preys.ts'

for (const prey of preys) if (prey.name === 'pjrt:cpu') await holds(prey, isOptional(prey.name))
