const camel = (name: string): string => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());

/** A record of Python's, with the names of this side. */
export const renamed = (record: object): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(record).map(([name, value]) => [
      camel(name),
      value !== null && typeof value === "object" ? renamed(value) : value,
    ]),
  );
