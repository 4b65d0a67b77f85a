/** The default target on random graphs and networks. */
import { holds } from './graphs.ts'
import { preys } from './preys.ts'

for (const prey of preys) if (prey.name === 'native') await holds(prey)
