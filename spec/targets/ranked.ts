/** The step that spec/targets/ranks.test.ts runs on one rank and on two. */
import type { HostArray } from '../../compiler/target.ts'
import { noStrategy } from '../../train/step/strategies/strategy.ts'
import { clipGroups } from '../../train/step/clip.ts'
import { adamw } from '../../train/step/optimizer.ts'
import type { Program } from '../../train/step/step.ts'
import { chain } from '../../train/step/transform.ts'
import type { SmallOptions } from '../strategies/networks.ts'
import { feed, programOf } from '../strategies/networks.ts'

export const options: SmallOptions & { readonly images: number } = { images: 4, width: 32, depth: 2, locals: 2 }

export const steps = 20

export const clipped = (): Program => programOf(noStrategy, { ...options, optimizer: chain([clipGroups(0.5), adamw()]) })

/** With a learning rate at which rounding does not grow from step to step. */
export const fed = (step: number): ReadonlyMap<string, HostArray> =>
  new Map([...feed(options, 3 * step), ['hyper.lr', Float32Array.of(0.0001)]])
