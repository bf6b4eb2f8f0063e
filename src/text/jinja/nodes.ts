/** The syntax tree that @huggingface/jinja's parser makes; its own types are not among the package's exports. */

interface Operator {
  readonly value: string;
}

export interface ProgramNode {
  readonly type: 'Program';
  readonly body: readonly Node[];
}
export interface IfNode {
  readonly type: 'If';
  readonly test: Node;
  readonly body: readonly Node[];
  readonly alternate: readonly Node[];
}
export interface ForNode {
  readonly type: 'For';
  readonly loopvar: Node;
  readonly iterable: Node;
  readonly body: readonly Node[];
  readonly defaultBlock: readonly Node[];
}
export interface SetNode {
  readonly type: 'Set';
  readonly assignee: Node;
  readonly value: Node | null;
  readonly body: readonly Node[];
}
export interface MacroNode {
  readonly type: 'Macro';
  readonly name: IdentifierNode;
  readonly args: readonly Node[];
  readonly body: readonly Node[];
}
export interface CallStatementNode {
  readonly type: 'CallStatement';
  readonly call: CallNode;
  readonly callerArgs: readonly Node[] | null;
  readonly body: readonly Node[];
}
export interface FilterStatementNode {
  readonly type: 'FilterStatement';
  readonly filter: IdentifierNode | CallNode;
  readonly body: readonly Node[];
}
export interface IdentifierNode {
  readonly type: 'Identifier';
  readonly value: string;
}
export interface CallNode {
  readonly type: 'CallExpression';
  readonly callee: Node;
  readonly args: readonly Node[];
}
export interface MemberNode {
  readonly type: 'MemberExpression';
  readonly object: Node;
  readonly property: Node;
  readonly computed: boolean;
}
export interface SliceNode {
  readonly type: 'SliceExpression';
  readonly start: Node | undefined;
  readonly stop: Node | undefined;
  readonly step: Node | undefined;
}
export interface BinaryNode {
  readonly type: 'BinaryExpression';
  readonly operator: Operator;
  readonly left: Node;
  readonly right: Node;
}
export interface FilterNode {
  readonly type: 'FilterExpression';
  readonly operand: Node;
  readonly filter: IdentifierNode | CallNode;
}
export interface KeywordNode {
  readonly type: 'KeywordArgumentExpression';
  readonly key: IdentifierNode;
  readonly value: Node;
}

export type Node =
  | ProgramNode
  | IfNode
  | ForNode
  | SetNode
  | MacroNode
  | CallStatementNode
  | FilterStatementNode
  | IdentifierNode
  | CallNode
  | MemberNode
  | SliceNode
  | BinaryNode
  | FilterNode
  | KeywordNode
  | { readonly type: 'Break' | 'Continue' }
  | { readonly type: 'Comment'; readonly value: string }
  | { readonly type: 'IntegerLiteral' | 'FloatLiteral'; readonly value: number }
  | { readonly type: 'StringLiteral'; readonly value: string }
  | { readonly type: 'ArrayLiteral' | 'TupleLiteral'; readonly value: readonly Node[] }
  | { readonly type: 'ObjectLiteral'; readonly value: ReadonlyMap<Node, Node> }
  | { readonly type: 'UnaryExpression'; readonly operator: Operator; readonly argument: Node }
  | { readonly type: 'TestExpression'; readonly operand: Node; readonly negate: boolean; readonly test: IdentifierNode }
  | { readonly type: 'SelectExpression'; readonly lhs: Node; readonly test: Node }
  | { readonly type: 'Ternary'; readonly condition: Node; readonly trueExpr: Node; readonly falseExpr: Node }
  | { readonly type: 'SpreadExpression' | 'KeywordSpreadExpression'; readonly argument: Node };
