/** Whether a parameter belongs to the last layer of a head, by its official name. */
export const isLastLayer = ({ path }: { readonly path: string }): boolean => path.includes('last_layer')
