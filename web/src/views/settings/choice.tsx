/** One of a few, as a setting. */

export function Choice<T extends string | number>(props: {
  label: string;
  value: T;
  options: [T, string][];
  onChange(value: T): void;
}) {
  return (
    <label class="setting">
      <span>{props.label}</span>
      <select
        value={String(props.value)}
        onChange={(event) => props.onChange(props.options.find(([id]) => String(id) === event.currentTarget.value)![0])}
      >
        {props.options.map(([id, text]) => (
          <option key={String(id)} value={String(id)}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}
