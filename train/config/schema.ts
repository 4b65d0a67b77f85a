/** The JSON Schema of settings, for editors: derived from the same fields that decode them. */
import type { Json } from '../../data/formats/codec.ts'
import type { AnyField, Schema } from './field.ts'
import { extendsKey, ownFileKey } from './layers.ts'
import { pluginsKey } from './plugins.ts'
import { isRecord } from '../../data/formats/codec.ts'

const isJson = (u: unknown): u is Schema => isRecord(u)

/** With what files may say besides: what they extend, and an accelerator's file. */
export const schemaOf = (title: string, root: AnyField): Json => {
  const { facts } = root
  const properties = isJson(facts.schema['properties']) ? facts.schema['properties'] : {}
  const own = properties[ownFileKey]
  const file: Schema = { type: 'string', description: 'a file, by its path from this one' }
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title,
    ...facts.schema,
    properties: {
      [extendsKey]: {
        description: 'files that this one changes',
        anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }],
      },
      [pluginsKey]: {
        description: 'files of your own that bring further parts, each by its path from this one',
        anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }],
      },
      ...properties,
      ...(own === undefined ? {} : { [ownFileKey]: { anyOf: [own, file] } }),
    },
  }
}
