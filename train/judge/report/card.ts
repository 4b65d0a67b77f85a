/** A model card of a run: what Hugging Face shows of a model. What only its maker knows, the licence first of all, is left to be filled. */
import { basename } from 'node:path'
import * as O from 'fp-ts/lib/Option.js'
import { valueAt } from '../../../data/formats/codec.ts'
import { shownName } from '../../../core/text.ts'
import type { RunRecord } from './record.ts'

export interface CardFacts {
  /** `owner/name` on the hub. */
  readonly repo: string
  /** A licence's identifier; none where the maker has not said it. */
  readonly license: string | undefined
  /** Of adapters alone: the model that they belong to, where it is known; a whole model otherwise. */
  readonly adapters?: { readonly base: string | undefined }
  /** What the backbone is, in words and numbers. */
  readonly network: ReadonlyArray<readonly [what: string, is: string]>
}

const text = (u: unknown): string | undefined =>
  typeof u === 'string' ? (u === '' ? undefined : u) : typeof u === 'number' || typeof u === 'boolean' ? String(u) : undefined

/** A cell of a table of Markdown. */
const cell = (s: string): string => shownName(s).replaceAll('|', '\\|').replaceAll('<', '&lt;')

const table = (head: readonly [string, string], rows: ReadonlyArray<readonly [string, string]>): ReadonlyArray<string> => [
  `| ${head.join(' | ')} |`,
  '|---|---|',
  ...rows.map((r) => `| ${r.map(cell).join(' | ')} |`),
]

const figure = (n: number): string => (Number.isInteger(n) ? String(n) : n.toPrecision(4))

/** Where data lie, and what a run began with, by name alone: the folders of a machine are private. */
const named = (u: unknown): string | undefined => {
  const path = text(u)
  return path === undefined ? undefined : /^\w[\w.-]*\/\w[\w.-]*(?:@\S+)?$/.test(path) && !path.startsWith('runs/') ? path : basename(path)
}

const settings: ReadonlyArray<readonly [string, ReadonlyArray<string>]> = [
  ['objective', ['objective', 'kind']],
  ['steps', ['steps']],
  ['batch', ['batch']],
  ['learning rate', ['optimizer', 'lr']],
  ['crops', ['augmentation', 'recipe']],
  ['pixels of a global crop', ['augmentation', 'globalSize']],
  ['seed', ['seed']],
]

/** The card as Markdown, with the metadata that the hub reads. */
export const modelCard = ({ name, config, summary }: RunRecord, { repo, license, network, adapters }: CardFacts): string => {
  const said = settings.flatMap(([what, path]) => {
    const is = text(valueAt(config, ...path))
    return is === undefined ? [] : [[what, is] as const]
  })
  const base = adapters?.base
  const start = named(valueAt(config, 'start', 'from'))
  const figures = O.isSome(summary) ? Object.entries(summary.value.metrics).map(([k, v]) => [k, figure(v)] as const) : []
  return [
    '---',
    license === undefined
      ? '# license: choose one, such as apache-2.0; it depends on your data and on the weights that you began with'
      : `license: ${license}`,
    ...(adapters === undefined
      ? ['library_name: transformers']
      : ['library_name: peft', ...(base === undefined ? [] : [`base_model: ${base}`])]),
    'pipeline_tag: image-feature-extraction',
    'tags: [dinograph, self-supervised, dino, vision]',
    '---',
    '',
    `# ${cell(name)}`,
    '',
    `Image features learned without labels, trained with Dinograph${start === undefined ? '' : `, going on from ${cell(start)}`}.`,
    '',
    '```python',
    ...(adapters === undefined ? [] : ['from peft import PeftModel']),
    'from transformers import AutoImageProcessor, AutoModel',
    '',
    ...(adapters === undefined
      ? [`processor, model = AutoImageProcessor.from_pretrained("${repo}"), AutoModel.from_pretrained("${repo}")`]
      : [
          `base = "${base ?? 'OWNER/NAME of the model that the adapters belong to'}"`,
          `processor, model = AutoImageProcessor.from_pretrained("${repo}"), PeftModel.from_pretrained(AutoModel.from_pretrained(base), "${repo}")`,
        ]),
    'features = model(**processor(picture, return_tensors="pt")).last_hidden_state  # [1, 1 + registers + patches, width]',
    '```',
    '',
    '## Network',
    '',
    ...table(['', ''], network),
    '',
    '## Training',
    '',
    ...table(['', ''], [['data', named(valueAt(config, 'data', 'path')) ?? 'the digits that the package mnist ships'], ...said]),
    '',
    '## Figures',
    '',
    ...(figures.length === 0 ? ['The run has not reported any.'] : table(['measured by the run', ''], figures)),
    '',
    '## Use and limits',
    '',
    'To be written by its maker: what the images show and where they come from, what the features were judged for, what they are not for.',
    '',
  ].join('\n')
}
