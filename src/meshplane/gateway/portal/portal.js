"use strict";

// Both pages share this file. All text goes in as text, never as markup.

const METHODS = ["get", "post", "put", "patch", "delete"];
const DEEPEST = 5;

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

async function showState(place) {
  const curl = document.getElementById("curl");
  curl.textContent = curl.textContent.replace("http://127.0.0.1:8080", location.origin);
  try {
    const [ready, health] = await Promise.all([fetch("/ready"), fetch("/health")]);
    const { version } = await health.json();
    place.textContent = ready.ok
      ? `This server is ready: version ${version}, at ${location.origin}.`
      : "This server has started and is not ready yet.";
    place.classList.add(ready.ok ? "good" : "bad");
  } catch {
    place.textContent = "This server does not answer.";
    place.classList.add("bad");
  }
}

// --- /docs ---------------------------------------------------------------------------------------

let schemas = {};

function resolved(schema) {
  const name = schema.$ref?.split("/").pop();
  return name ? { ...schemas[name], name } : schema;
}

/** The alternatives of a schema, without null; and whether null is one of them. */
function alternatives(schema) {
  const found = schema.anyOf ?? schema.oneOf;
  if (!found) return { kinds: [schema], nullable: false };
  return {
    kinds: found.filter((kind) => kind.type !== "null"),
    nullable: found.some((kind) => kind.type === "null"),
  };
}

function typeName(given) {
  const schema = resolved(given);
  const { kinds, nullable } = alternatives(schema);
  if (kinds.length !== 1 || kinds[0] !== schema) {
    return kinds.map(typeName).join(" or ") + (nullable ? " or null" : "");
  }
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === "array") return `list of ${typeName(schema.items ?? {})}`;
  if (schema.type === "object" && !schema.properties && typeof schema.additionalProperties === "object") {
    return `object of ${typeName(schema.additionalProperties)}`;
  }
  return schema.type ?? "any value";
}

function limits(given) {
  const { kinds } = alternatives(resolved(given));
  const schema = kinds.length === 1 ? resolved(kinds[0]) : {};
  const size = (low, high, unit) => {
    if (low === undefined && high === undefined) return null;
    if (low === undefined) return `at most ${high}${unit}`;
    return high === undefined ? `at least ${low}${unit}` : `${low} to ${high}${unit}`;
  };
  return [
    size(schema.minimum, schema.maximum, ""),
    size(schema.minLength, schema.maxLength, " characters"),
    size(schema.minItems, schema.maxItems, " entries"),
    schema.exclusiveMinimum === undefined ? null : `above ${schema.exclusiveMinimum}`,
    schema.pattern ? `matches ${schema.pattern}` : null,
    given.default === undefined || given.default === null ? null : `default ${JSON.stringify(given.default)}`,
  ].filter(Boolean).join("; ");
}

/** The object whose members a schema has, looking through lists and alternatives; or null. */
function innerObject(given) {
  const schema = resolved(given);
  if (schema.properties) return schema;
  const { kinds } = alternatives(schema);
  for (const kind of kinds[0] === schema ? [schema.items, schema.additionalProperties] : kinds) {
    const found = kind && typeof kind === "object" ? innerObject(kind) : null;
    if (found) return found;
  }
  return null;
}

function members(schema, path = []) {
  const rows = Object.entries(schema.properties).map(([name, member]) => {
    const inner = innerObject(member);
    const repeats = inner && (path.includes(inner.name) || path.length >= DEEPEST);
    return row(name, schema.required?.includes(name), member,
      inner && !repeats ? members(inner, [...path, inner.name]) : null);
  });
  return element("table", {}, element("tbody", {}, ...rows));
}

function row(name, required, schema, more) {
  const told = [schema.description, limits(schema)].filter(Boolean).join(" ");
  return element("tr", {},
    element("td", {}, element("code", {}, name), required ? "" : element("span", { class: "soft" }, " optional")),
    element("td", {}, typeName(schema), told ? element("div", { class: "soft" }, told) : "", more));
}

function content(kinds) {
  return Object.entries(kinds ?? {}).map(([mediaType, { schema }]) => {
    const object = schema ? innerObject(schema) : null;
    const about = object?.description ? element("p", { class: "soft" }, object.description) : "";
    return element("div", {}, element("p", {}, element("code", {}, mediaType)), about,
      object ? members(object, [object.name]) : "");
  });
}

function parameters(operation) {
  const all = operation.parameters ?? [];
  if (!all.length) return [];
  const rows = all.map((one) => {
    const schema = { ...one.schema, description: one.description ?? one.schema?.description };
    const line = row(one.name, one.required, schema, null);
    line.firstChild.append(element("div", { class: "soft" }, one.in));
    return line;
  });
  return [element("h3", {}, "Parameters"), element("table", {}, element("tbody", {}, ...rows))];
}

function answers(operation) {
  return Object.entries(operation.responses).flatMap(([status, answer]) => [
    element("h3", {}, status === "default" ? "Any error" : `Answer ${status}`),
    status === "default" || !answer.content ? element("p", { class: "soft" }, answer.description) : "",
    ...content(answer.content),
  ]);
}

function drawn(method, path, operation) {
  const body = operation.requestBody;
  return element("details", { id: operation.operationId, class: "operation" },
    element("summary", {},
      element("span", { class: `method ${method}` }, method.toUpperCase()),
      element("code", {}, path),
      element("span", { class: "name" }, operation.operationId)),
    element("div", {},
      operation.description ? element("p", {}, operation.description) : "",
      ...parameters(operation),
      ...(body ? [element("h3", {}, "Body"), ...content(body.content)] : []),
      ...answers(operation)));
}

function byTag(paths) {
  const tags = new Map();
  for (const [path, operations] of Object.entries(paths)) {
    for (const method of METHODS.filter((each) => each in operations)) {
      const operation = operations[method];
      const tag = operation.tags?.[0] ?? "other";
      if (!tags.has(tag)) tags.set(tag, []);
      tags.get(tag).push({ method, path, operation });
    }
  }
  return tags;
}

function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) target.open = true;
  target?.scrollIntoView();
}

function filterNames(wanted) {
  const words = wanted.trim().toLowerCase();
  for (const group of document.querySelectorAll("#names > div")) {
    const links = [...group.querySelectorAll("a")];
    for (const link of links) link.hidden = !link.dataset.text.includes(words);
    group.hidden = links.every((link) => link.hidden);
  }
}

async function showOperations(place) {
  const loading = document.getElementById("loading");
  try {
    const answer = await fetch("/openapi.json");
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const found = await answer.json();
    schemas = found.components?.schemas ?? {};
    const names = document.getElementById("names");
    for (const [tag, operations] of byTag(found.paths)) {
      place.append(element("section", { id: tag }, element("h2", {}, tag),
        ...operations.map(({ method, path, operation }) => drawn(method, path, operation))));
      names.append(element("div", {}, element("b", {}, tag),
        ...operations.map(({ path, operation }) => element("a", {
          href: `#${operation.operationId}`,
          "data-text": `${operation.operationId} ${path}`.toLowerCase(),
        }, operation.operationId))));
    }
    loading.textContent = `${found.info.title} ${found.info.version}. Each wants a token, sent as `
      + "“Authorization: Bearer …”; the first page says how to get one.";
    document.getElementById("find").addEventListener("input", (event) => filterNames(event.target.value));
    window.addEventListener("hashchange", openTarget);
    openTarget();
  } catch (error) {
    loading.textContent = `/openapi.json could not be read (${error.message}). Load the page again.`;
  }
}

const state = document.getElementById("state");
if (state) showState(state);
const operations = document.getElementById("operations");
if (operations) showOperations(operations);
