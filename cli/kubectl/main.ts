#!/usr/bin/env node
import { endWithReader } from './brokenPipe.ts';
import { createProgram } from './program.ts';

endWithReader();
// Without await at the top level: a single executable is CommonJS.
void createProgram().parseAsync();
