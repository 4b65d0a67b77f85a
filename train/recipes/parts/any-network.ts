/** Backbones of every kind as settings: `kind` names it, and a Vision Transformer is what there is where nothing does. */
import type { Expr } from '../../../core/expr.ts'
import { byPath } from '../../../core/model.ts'
import type { VitInput } from '../../../models/vit.ts'
import type { ValueOf } from '../../config/field.ts'
import { variants } from '../../config/section.ts'
import type { Backbone } from '../../step/method.ts'
import { choice } from '../part.ts'
import type { Asked } from './network.ts'
import { backboneOf, networkSettings } from './network.ts'
import { convnextSettings, pyramidOf, swinSettings } from './pyramid.ts'

export const anyNetworkSettings = variants(
  'the backbone, a Vision Transformer, a Swin or a ConvNeXt',
  { vit: networkSettings, swin: swinSettings, convnext: convnextSettings },
  'vit',
)

export type AnyNetwork = ValueOf<typeof anyNetworkSettings>

/** Pixels along the side of what a patch of its features stands for. */
export const patchOf = (n: AnyNetwork): number => (n.kind === 'vit' ? n.patch : pyramidOf(n).patch)

/** A backbone of any kind: `anyNetwork({ kind: 'convnext', widths: [16, 32], depths: [2, 2] })`. */
export const anyNetwork = choice(anyNetworkSettings, (n) => (o: Asked): Backbone<unknown, Expr | VitInput> => {
  if (n.kind !== 'vit') {
    const pyramid = pyramidOf(n, o)
    return { ...pyramid, pyramid }
  }
  const { kind, ...settings } = n
  const made = backboneOf(settings, o)
  return { ...byPath(made), width: made.width, patch: made.patch, blocks: n.depth, [kind]: made }
})
