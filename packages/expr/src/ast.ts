/** An expression as written. Columns are 1-based, in UTF-16 units. */
export type Expression = Literal | AttributeName | Index | Call | Binary;

export type Literal = StringLiteral | NumberLiteral | BooleanLiteral;

export interface StringLiteral {
  readonly kind: 'string';
  readonly value: string;
  readonly column: number;
}

export interface NumberLiteral {
  readonly kind: 'int' | 'double';
  /** Not negative: the language has no negative literals. */
  readonly value: number;
  readonly column: number;
}

export interface BooleanLiteral {
  readonly kind: 'bool';
  readonly value: boolean;
  readonly column: number;
}

/** A dotted name is one flat attribute name: `source.workload.name`. */
export interface AttributeName {
  readonly kind: 'attribute';
  readonly name: string;
  readonly column: number;
}

export interface Index {
  readonly kind: 'index';
  readonly map: Expression;
  readonly key: Expression;
  readonly column: number;
}

export interface Call {
  readonly kind: 'call';
  readonly name: string;
  /** Present in `"x".matches(y)`. */
  readonly receiver: Expression | undefined;
  readonly args: readonly Expression[];
  /** Of the function's name. */
  readonly column: number;
}

export const BINARY_OPERATORS = ['||', '&&', '==', '!=', '<', '<=', '>', '>=', '+', '|'] as const;
export type BinaryOperator = (typeof BINARY_OPERATORS)[number];

export interface Binary {
  readonly kind: 'binary';
  readonly operator: BinaryOperator;
  readonly left: Expression;
  readonly right: Expression;
  /** Of the operator. */
  readonly column: number;
}

/** Higher binds tighter. `+` and `|` stand on one level. All are left-associative. */
export const PRECEDENCE: Readonly<Record<BinaryOperator, number>> = {
  '||': 1,
  '&&': 2,
  '==': 3,
  '!=': 3,
  '<': 3,
  '<=': 3,
  '>': 3,
  '>=': 3,
  '+': 4,
  '|': 4,
};

/** Names of all attributes that an expression reads, each once, in order of appearance. */
export function attributesOf(expression: Expression): readonly string[] {
  const names = new Set<string>();
  const visit = (node: Expression): void => {
    switch (node.kind) {
      case 'attribute':
        names.add(node.name);
        break;
      case 'index':
        visit(node.map);
        visit(node.key);
        break;
      case 'call':
        if (node.receiver) visit(node.receiver);
        node.args.forEach(visit);
        break;
      case 'binary':
        visit(node.left);
        visit(node.right);
        break;
      case 'string':
      case 'int':
      case 'double':
      case 'bool':
        break;
    }
  };
  visit(expression);
  return [...names];
}
