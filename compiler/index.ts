/** `dinograph/compiler`. From a graph to what runs: gradients, rewrites, targets. */

// Gradients.
export { grad, valueAndGrad, vjp, jvp, hvp } from './grad.ts'

// Targets, and devices that run graphs.
export type { HostArray, HostValues, Feed, Executable, CompileOptions, Device, Share, Target } from './target.ts'
export type { TargetName } from './targets/names.ts'
export { targetNames, isTargetName } from './targets/names.ts'
export type { OpenOptions } from './targets/open.ts'
export { openTarget } from './targets/open.ts'

// The oracle: a graph by its meaning, in float64.
export { evaluate } from './targets/reference.ts'

// Rewrites that trade arithmetic for memory.
export type { RegionOf, RematOptions } from './passes/remat.ts'
export { blocksAsRegions, remat } from './passes/remat.ts'
export type { FitOptions } from './passes/fit.ts'
export { fit } from './passes/fit.ts'

// A step for several ranks, and all ranks in one program.
export type { Distributed, Placement, Split } from './distribute/placement.ts'
export type { DistributionName, DistributionOptions } from './distribute/strategy.ts'
export { distribute } from './distribute/strategy.ts'
export { stack } from './distribute/stack.ts'

// A road to a target, stage by stage, as text.
export type { Road, Stage } from './road.ts'
export { follow, stagesOf, plannedBytes } from './road.ts'
export { showGraph, showKernels, showPlan } from './show.ts'
