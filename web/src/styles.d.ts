/** esbuild makes one style sheet for each page of what its script imports. */
declare module "*.css";
