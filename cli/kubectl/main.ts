#!/usr/bin/env node
import { createProgram } from './program.ts';

// Without await at the top level: a single executable is CommonJS.
void createProgram().parseAsync();
