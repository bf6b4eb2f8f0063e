/** What vite makes of a file that is only to be served: its address. */
declare module '*.wasm?url' {
  const url: string;
  export default url;
}
