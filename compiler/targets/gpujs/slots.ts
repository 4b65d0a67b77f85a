/** The slots of an engine: which are its own, and whether data fits them. */
import { type Fault, fault } from '../../../core/fault.ts'
import type { Mode, Slot } from './engine.ts'

/** An engine's slots, S being what the engine knows of each. */
export interface Slots<S extends Slot> {
  readonly add: (slot: S) => S
  /** The engine's own view of a slot; undefined for slots of other engines. */
  readonly find: (slot: Slot) => S | undefined
  /** The same, where another engine's slot is a Fault that is thrown. */
  readonly get: (slot: Slot) => S
  /** Where `length` floats are to be written into a slot: too many of them are a Fault that is thrown. */
  readonly forWriting: (slot: Slot, length: number) => S
}

/** Opens the books of an engine's slots. */
export const openSlots = <S extends Slot>(mode: Mode): Slots<S> => {
  const known = new WeakMap<Slot, S>()
  const refuse = (found: string, allowed: string): Fault =>
    fault('target', {
      place: `slot (gpu.js, ${mode})`,
      found,
      allowed,
      remedy: 'use the slots that this engine made, with the data that they were made for',
    })
  const get = (slot: Slot): S => {
    const s = known.get(slot)
    if (s === undefined) throw refuse('a slot of another engine', `slots of the ${mode} engine`)
    return s
  }
  return {
    add: (slot) => {
      known.set(slot, slot)
      return slot
    },
    find: (slot) => known.get(slot),
    get,
    forWriting: (slot, length) => {
      const s = get(slot)
      if (length > s.length) throw refuse(`${length} floats for a slot of ${s.length}`, `up to ${s.length} floats`)
      return s
    },
  }
}
