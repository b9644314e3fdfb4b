/** Where the compiler's static data ends: below LAYOUT_BASE, where the layout of src/packet/abi.ts begins. */
export const staticEnd: usize = __heap_base;
