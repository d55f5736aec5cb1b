/** `exportTo`: `*` everybody, `.` the own namespace, a namespace's name, `~` nobody. */
export function isVisible(exportTo: readonly string[], ownNamespace: string, viewer: string): boolean {
  return exportTo.some((entry) => entry === '*' || entry === viewer || (entry === '.' && ownNamespace === viewer));
}

/** An absent or empty list means the mesh's default. */
export const exportToOr = (exportTo: readonly string[] | undefined, fallback: readonly string[]): readonly string[] =>
  exportTo === undefined || exportTo.length === 0 ? fallback : exportTo;
