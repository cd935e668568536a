/// <reference types="vite/client" />

declare module "virtual:emoji" {
  const all: [emoji: string, name: string, group: number][];
  export default all;
}
declare const __FILES__: string[];
declare const __VERSION__: string;
