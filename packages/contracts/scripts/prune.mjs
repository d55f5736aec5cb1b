// Pure transformations of a FileDescriptorSet: drop custom options, keep only listed messages and fields.
import { clone as cloneMessage } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';

/** Drops what validation and documentation annotations add: they cost memory and nobody reads them at run time. */
export function stripCustomOptions(set) {
  const annotations = /^(validate\/|udpa\/annotations\/|xds\/annotations\/|envoy\/annotations\/)/;
  const strip = (descriptor) => {
    if (descriptor.options) {
      delete descriptor.options.$unknown;
    }
  };
  const visitEnum = (type) => {
    strip(type);
    type.value.forEach(strip);
  };
  const visitMessage = (type) => {
    strip(type);
    type.field.forEach(strip);
    type.oneofDecl.forEach(strip);
    type.nestedType.forEach(visitMessage);
    type.enumType.forEach(visitEnum);
  };
  for (const file of set.file) {
    strip(file);
    delete file.sourceCodeInfo;
    file.messageType.forEach(visitMessage);
    file.enumType.forEach(visitEnum);
    file.service.forEach((service) => {
      strip(service);
      service.method.forEach(strip);
    });
    file.extension = [];
  }
  set.file = set.file.filter(
    (file) => !annotations.test(file.name) && file.name !== 'google/protobuf/descriptor.proto',
  );
  relinkImports(set);
  return set;
}

/**
 * @param lean `{messages: {"full.message.Name": "*" | ["field_name", ...]}, services: ["full.Service"]}`.
 * Enums come along when a kept field needs them. A listed field whose message is not listed is an error.
 */
export function prune(set, lean) {
  const keep = new Map(Object.entries(lean.messages));
  const services = new Set(lean.services ?? []);
  const enums = new Set();
  const seen = new Set();
  const usedFields = new Map();

  // @returns false when nothing of the message is kept.
  const pruneMessage = (type, fullName) => {
    const wanted = keep.get(fullName);
    if (wanted === undefined) type.field = [];
    else {
      seen.add(fullName);
      if (wanted !== '*') {
        const missing = wanted.filter((name) => !type.field.some((field) => field.name === name));
        if (missing.length > 0) throw new Error(`lean.json: ${fullName} has no field ${missing.join(', ')}`);
        type.field = type.field.filter((field) => wanted.includes(field.name));
      }
      usedFields.set(fullName, type.field);
    }
    const mapEntries = new Set(type.field.map((field) => field.typeName.slice(1)));
    type.nestedType = type.nestedType.filter((child) => {
      const name = `${fullName}.${child.name}`;
      if (child.options?.mapEntry !== true) return pruneMessage(child, name);
      if (mapEntries.has(name)) usedFields.set(name, child.field);
      return mapEntries.has(name);
    });
    type.enumType = type.enumType.filter((item) => enums.has(`${fullName}.${item.name}`));
    // oneof indexes are positions: keep those still used, and renumber.
    const used = [...new Set(type.field.filter(hasOneof).map((field) => field.oneofIndex))].sort((a, b) => a - b);
    for (const field of type.field) if (hasOneof(field)) field.oneofIndex = used.indexOf(field.oneofIndex);
    type.oneofDecl = used.map((index) => type.oneofDecl[index]);
    return wanted !== undefined || type.nestedType.length + type.enumType.length > 0;
  };

  // The enums that kept fields use, before the messages, since an unlisted parent may only hold an enum.
  const collectEnums = (type, fullName) => {
    const wanted = keep.get(fullName);
    if (wanted !== undefined) {
      for (const field of type.field) {
        if (field.typeName && (wanted === '*' || wanted.includes(field.name))) enums.add(field.typeName.slice(1));
      }
    }
    type.nestedType.forEach((child) => collectEnums(child, `${fullName}.${child.name}`));
  };
  for (const file of set.file) file.messageType.forEach((type) => collectEnums(type, `${file.package}.${type.name}`));

  const pruned = cloneMessage(FileDescriptorSetSchema, set);
  for (const file of pruned.file) {
    if (isWellKnown(file)) continue;
    file.messageType = file.messageType.filter((type) => pruneMessage(type, `${file.package}.${type.name}`));
    file.enumType = file.enumType.filter((item) => enums.has(`${file.package}.${item.name}`));
    file.service = file.service.filter((item) => services.has(`${file.package}.${item.name}`));
  }
  const unknown = [...keep.keys()].filter((name) => !seen.has(name));
  if (unknown.length > 0) throw new Error(`lean.json names messages that do not exist: ${unknown.join(', ')}`);
  for (const [message, fields] of usedFields) {
    for (const field of fields) {
      const target = field.typeName?.slice(1);
      if (field.type === 11 && target && !target.startsWith('google.protobuf.') && !usedFields.has(target)) {
        throw new Error(`lean.json: ${message}.${field.name} needs ${target}, which is not listed`);
      }
    }
  }
  pruned.file = pruned.file.filter(
    (file) => isWellKnown(file) || file.messageType.length + file.enumType.length + file.service.length > 0,
  );
  relinkImports(pruned);
  return pruned;
}

const hasOneof = (field) => Object.hasOwn(field, 'oneofIndex') && field.oneofIndex !== undefined;
const isWellKnown = (file) => file.name.startsWith('google/protobuf/');

/** Recomputes each file's imports from the types that it uses. */
function relinkImports(set) {
  const home = new Map();
  const visit = (file, type, name) => {
    home.set(name, file.name);
    type.nestedType?.forEach((child) => visit(file, child, `${name}.${child.name}`));
    type.enumType?.forEach((child) => home.set(`${name}.${child.name}`, file.name));
  };
  for (const file of set.file) {
    file.messageType.forEach((type) => visit(file, type, `${file.package}.${type.name}`));
    file.enumType.forEach((type) => home.set(`${file.package}.${type.name}`, file.name));
  }
  for (const file of set.file) {
    const used = new Set();
    const uses = (type) => {
      for (const field of type.field) if (field.typeName) used.add(home.get(field.typeName.slice(1)));
      type.nestedType.forEach(uses);
    };
    file.messageType.forEach(uses);
    for (const service of file.service) {
      for (const method of service.method) {
        used.add(home.get(method.inputType.slice(1)));
        used.add(home.get(method.outputType.slice(1)));
      }
    }
    used.delete(file.name);
    used.delete(undefined);
    file.dependency = [...used].sort((a, b) => (a < b ? -1 : 1));
    file.publicDependency = [];
    file.weakDependency = [];
  }
  // A file must come after what it imports.
  const byName = new Map(set.file.map((file) => [file.name, file]));
  const ordered = new Set();
  const place = (file) => {
    if (ordered.has(file)) return;
    for (const name of file.dependency) place(byName.get(name));
    ordered.add(file);
  };
  set.file.forEach(place);
  set.file = [...ordered];
}
