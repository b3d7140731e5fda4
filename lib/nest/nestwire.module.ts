import { Module } from '@nestjs/common';
import { ApplicationScaleOut } from './application-scale-out.js';
import { enhancersProvider } from './enhancers.js';
import { ConfigurableModuleClass } from './nestwire.module-definition.js';

/**
 * Brings the options of Nestwire into the application: `NestwireModule.forRoot({ … })`, or `forRootAsync` with
 * `useFactory` and `inject`, or with `useClass` or `useExisting` of a class with `createNestwireOptions()`. The adapter
 * finds them there.
 */
@Module({ providers: [enhancersProvider, ApplicationScaleOut] })
export class NestwireModule extends ConfigurableModuleClass {}
