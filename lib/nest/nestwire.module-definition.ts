import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { NestwireOptions } from './nestwire-options.js';

export const {
  ConfigurableModuleClass,
  MODULE_OPTIONS_TOKEN: NESTWIRE_OPTIONS,
  OPTIONS_TYPE,
  ASYNC_OPTIONS_TYPE,
} = new ConfigurableModuleBuilder<NestwireOptions>({ moduleName: 'Nestwire' })
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createNestwireOptions')
  .build();
