// A description, read: what a part of it refers to, and a schema as a few lines of text.

/** What a part of the description refers to, or the part itself. */
export function resolved(document, part) {
  const [, , section, name] = (part?.$ref ?? "").split("/");
  return name ? { ...document.components[section][name], ...part, $ref: undefined } : part;
}

/** A schema as text, like { label: number 0..9 }. */
export function text(document, schema, indent = "") {
  const known = resolved(document, schema) ?? {};
  if (known.enum) return known.enum.map((one) => JSON.stringify(one)).join(" | ");
  if ("const" in known) return JSON.stringify(known.const);
  if (known.anyOf) return known.anyOf.map((one) => text(document, one, indent)).join(`\n${indent}or `);
  if (known.properties) return object(document, known, indent);
  if (known.prefixItems) return `[${known.prefixItems.map((one) => text(document, one, indent)).join(", ")}]`;
  if (known.type === "array") return `[${count(known)}${known.items ? text(document, known.items, indent) : "any"}]`;
  const what = known.contentEncoding ?? (known.format === "binary" ? "file" : known.type);
  return `${what ?? "any"}${range(known)}`;
}

function object(document, { properties, required = [], additionalProperties }, indent) {
  const inner = `${indent}  `;
  const lines = Object.entries(properties).map(([name, one]) => {
    const { description } = resolved(document, one);
    const is = `${inner}${name}${required.includes(name) ? "" : "?"}: ${text(document, one, inner)}`;
    return description && !one.$ref ? `${is}  // ${description}` : is;
  });
  const rest = additionalProperties === false ? [] : [`${inner}…`];
  return ["{", ...lines, ...rest, `${indent}}`].join("\n");
}

function count({ minItems, maxItems }) {
  if (maxItems === undefined) return minItems ? `${minItems} or more × ` : "";
  return minItems === maxItems ? `${maxItems} × ` : `${minItems ?? 0}..${maxItems} × `;
}

function range({ minimum, maximum, minLength, maxLength, multipleOf }) {
  const bounds = minimum === undefined && maximum === undefined ? "" : ` ${minimum ?? ""}..${maximum ?? ""}`;
  const length = maxLength === undefined ? "" : `, ${minLength ?? 0}..${maxLength} characters`;
  return bounds + length + (multipleOf === 1 ? ", whole" : "");
}
