// What `h` of dom.js takes: here because JSDoc has no types that name themselves.

export type Child = Node | string | number | null | undefined | false;
export type Children = Child | Children[];
export type Attributes = Record<string, string | number | boolean | null | undefined | ((event: any) => void)>;
