/** Every mode of gpu.js on random graphs and networks. */
import { holds } from './graphs.ts'
import { preys } from './preys.ts'

const required = process.env.DINOGRAPH_REQUIRE_WEBGPU === '1'

for (const prey of preys) if (prey.name !== 'native') await holds(prey, prey.name === 'gpujs:webgpu' && !required)
