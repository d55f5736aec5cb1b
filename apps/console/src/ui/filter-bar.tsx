import { Button, NativeSelect, TextInput } from '@mantine/core';
import { Search } from 'lucide-react';
import type { ReactNode } from 'react';
import { text } from '../i18n/text.ts';
import { Filters } from './data-table.tsx';
import { HEALTH_ORDER } from './health-order.ts';
import type { ListFilter } from './use-list.ts';

interface FilterBarProps {
  readonly filter: ListFilter;
  readonly namespaces: readonly string[];
  readonly children?: ReactNode;
}

export function FilterBar({ filter, namespaces, children }: FilterBarProps) {
  const { search, set, clear, active } = filter;
  return (
    <Filters>
      <TextInput
        size="xs"
        data-filter
        aria-label={text.filter.text}
        placeholder={text.filter.text}
        leftSection={<Search size={14} aria-hidden />}
        value={search.q ?? ''}
        onChange={({ currentTarget }) => set({ q: currentTarget.value })}
      />
      <Choice
        label={text.filter.namespace}
        all={text.filter.allNamespaces}
        value={search.ns}
        options={namespaces.map((value) => ({ value, label: value }))}
        onChange={(ns) => set({ ns })}
      />
      {children}
      {active && (
        <Button size="xs" variant="subtle" color="gray" onClick={clear}>
          {text.filter.clear}
        </Button>
      )}
    </Filters>
  );
}

interface ChoiceProps {
  readonly label: string;
  readonly all: string;
  readonly value: string | undefined;
  readonly options: readonly { readonly value: string; readonly label: string }[];
  readonly onChange: (value: string) => void;
}

export function Choice({ label, all, value, options, onChange }: ChoiceProps) {
  return (
    <NativeSelect
      size="xs"
      aria-label={label}
      value={value ?? ''}
      data={[{ value: '', label: all }, ...options]}
      onChange={({ currentTarget }) => onChange(currentTarget.value)}
    />
  );
}

export function HealthChoice({
  value,
  onChange,
}: {
  readonly value: string | undefined;
  readonly onChange: (value: string) => void;
}) {
  return (
    <Choice
      label={text.filter.health}
      all={text.filter.anyHealth}
      value={value}
      options={HEALTH_ORDER.map((status) => ({ value: status, label: text.health[status] }))}
      onChange={onChange}
    />
  );
}
