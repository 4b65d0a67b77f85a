/** Backbones with stages as settings, and the networks that they make. */
import type { Pyramid, Said } from '../../../models/huggingface/family.ts'
import { convnexts } from '../../../models/huggingface/convnext.ts'
import { swins } from '../../../models/huggingface/swin.ts'
import type { ValueOf } from '../../config/field.ts'
import { flag, list, real, whole } from '../../config/field.ts'
import type { Given } from '../../config/section.ts'
import { section } from '../../config/section.ts'
import type { Asked } from './network.ts'

const size = (about: string) => whole(1, about, { min: 1, max: 65536 })

const dropPath = real(0, 'drop-path rate of the last block; it grows from 0 in the first', { min: 0, below: 1 })

const isStaged = (n: number): boolean => n >= 1 && n <= 8

export const swinSettings = section(
  'a Swin Transformer',
  {
    patch: whole(4, 'pixels along the side of a patch of the first stage', { min: 1, max: 1024 }),
    width: whole(96, 'components of a token of the first stage; every further one has twice as many', { min: 1 }),
    depths: list(size('blocks'), [2, 2, 6, 2], 'blocks of each stage'),
    heads: list(size('heads'), [3, 6, 12, 24], "attention heads of each stage's blocks"),
    window: whole(7, 'tokens along the side of a window', { min: 1, max: 1024 }),
    mlpRatio: real(4, 'hidden width of the feed-forward half, in widths', { above: 0 }),
    qkvBias: flag(true, 'whether queries, keys and values have a bias'),
    eps: real(1e-5, 'of the normalisations', { above: 0 }),
    dropPath,
  },
  [
    {
      at: 'heads',
      of: ['width', 'depths', 'heads'],
      holds: (n) =>
        isStaged(n.depths.length) && n.heads.length === n.depths.length && n.heads.every((h, i) => (n.width * 2 ** i) % h === 0),
      allowed: (n) => `1 to 8 stages, each with heads that divide its width: ${n.depths.map((_, i) => n.width * 2 ** i).join(', ')}`,
      remedy: 'give depths and heads the same length, and choose heads that divide the widths',
    },
  ],
)

export const convnextSettings = section(
  'a ConvNeXt',
  {
    widths: list(size('channels'), [96, 192, 384, 768], 'channels of each stage'),
    depths: list(size('blocks'), [3, 3, 9, 3], 'blocks of each stage'),
    layerScale: real(1e-6, 'where LayerScale begins', { above: 0 }),
    eps: real(1e-6, 'of the normalisations', { above: 0 }),
    dropPath,
  },
  [
    {
      at: 'depths',
      of: ['widths', 'depths'],
      holds: (n) => isStaged(n.widths.length) && n.depths.length === n.widths.length,
      allowed: (n) => `1 to 8 stages, as many as widths (here ${n.widths.length})`,
      remedy: 'give widths and depths the same length',
    },
  ],
)

type SwinNetwork = { readonly kind: 'swin' } & ValueOf<typeof swinSettings>
type ConvnextNetwork = { readonly kind: 'convnext' } & ValueOf<typeof convnextSettings>

export type PyramidNetwork = SwinNetwork | ConvnextNetwork

/** The backbone of such settings. */
export const pyramidOf = (n: PyramidNetwork, o: Asked = {}): Pyramid => {
  switch (n.kind) {
    case 'swin': {
      const { patch, width, depths, heads, window, mlpRatio, qkvBias, eps, dropPath: rate } = n
      return swins.pyramid({ patch, width, depths, heads, window, mlpRatio, qkvBias, eps, dropPath: rate, ...o })
    }
    case 'convnext': {
      const { widths, depths, layerScale, eps, dropPath: rate } = n
      return convnexts.pyramid({ widths, depths, layerScale, eps, dropPath: rate, ...o })
    }
  }
}

/** The settings of a backbone that there is; drop-path, which is for training alone, is as usual. */
export const pyramidSettings = (said: Said): Given<PyramidNetwork> => {
  switch (said.kind) {
    case 'swin': {
      const { patch, width, depths, heads, window, mlpRatio, qkvBias, eps } = said.options
      return { kind: 'swin', patch, width, depths, heads, window, mlpRatio, qkvBias, eps }
    }
    case 'convnext': {
      const { widths, depths, layerScale, eps } = said.options
      return { kind: 'convnext', widths, depths, layerScale, eps }
    }
  }
}
